/*
 * A program that sandboxes itself as FreeBSD's base programs do: capsicum_helpers(3), and the services of libcasper(3), which are
 * processes outside that answer over socket pairs and pass descriptors in.
 */
#include <sys/param.h>
#include <sys/capsicum.h>
#include <sys/nv.h>
#include <sys/sysctl.h>
#define WITH_CASPER
#include <libcasper.h>
#include <casper/cap_fileargs.h>
#include <casper/cap_pwd.h>
#include <casper/cap_sysctl.h>

#include <capsicum_helpers.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
main(void)
{
	char *files[] = { "given", NULL }, buf[8];
	cap_channel_t *casper = cap_init(), *pwd, *sysctl_;
	cap_rights_t rights;
	fileargs_t *given;
	struct passwd *pw;
	size_t size;
	int fd = open("given", O_RDWR | O_CREAT, 0644), value = 0;

	if (fd < 0 || write(fd, "inside", 6) != 6 || close(fd) != 0)
		err(1, "given");
	if (casper == NULL || (pwd = cap_service_open(casper, "system.pwd")) == NULL
	    || (sysctl_ = cap_service_open(casper, "system.sysctl")) == NULL)
		err(1, "casper");
	cap_rights_init(&rights, CAP_READ, CAP_FSTAT);
	if ((given = fileargs_init(1, files, O_RDONLY, 0, &rights, FA_OPEN)) == NULL)
		err(1, "fileargs_init");
	cap_close(casper);
	if (caph_limit_stdio() != 0 || caph_enter_casper() != 0)
		err(1, "caph");
	if (open("given", O_RDONLY) >= 0 || errno != ECAPMODE)
		err(1, "open");
	size = sizeof(value);
	if (sysctlbyname("kern.maxproc", &value, &size, NULL, 0) == 0 || errno != EPERM)
		err(1, "sysctlbyname");
	if (cap_sysctlbyname(sysctl_, "kern.maxproc", &value, &size, NULL, 0) != 0 || value <= 0)
		err(1, "cap_sysctlbyname");
	if ((pw = cap_getpwuid(pwd, 0)) == NULL || strcmp(pw->pw_name, "root") != 0)
		err(1, "cap_getpwuid");
	if ((fd = fileargs_open(given, "given")) < 0 || read(fd, buf, sizeof(buf)) != 6)
		err(1, "fileargs_open");
	if (write(fd, "x", 1) >= 0 || errno != ENOTCAPABLE)
		err(1, "write");
	if (fileargs_open(given, "/etc/passwd") >= 0)
		err(1, "a file that was not given");
	puts("casper ok");
	return (0);
}
