/* What a server is asked: `load PORT CONNECTIONS REQUESTS kept|new`. A Linux program, whichever server it asks.
 *
 * CONNECTIONS at a time each send a request of 64 bytes and wait for its 64 bytes, REQUESTS in all. `kept`: on connections
 * that stay. `new`: each on a connection of its own, which is closed after it. Status 0 when all were answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SIZE = 64, EVENTS = 64 };

static struct sockaddr_in server = {.sin_family = AF_INET};
static long to_send;
static int queue;

static void require(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static void send_request(int connection)
{
    static const char request[SIZE];
    to_send--;
    require(write(connection, request, SIZE) == SIZE, "write");
}

static void begin(void)
{
    int on = 1, connection = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
    require(connection >= 0, "socket");
    require(connect(connection, (struct sockaddr *) &server, sizeof(server)) == 0, "connect");
    require(setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "setsockopt");
    require(epoll_ctl(queue, EPOLL_CTL_ADD, connection, &event) == 0, "epoll_ctl");
    send_request(connection);
}

int main(int count, char **arguments)
{
    struct epoll_event ready[EVENTS];
    char answer[SIZE];
    long answers;
    int again;
    if (count != 5)
        return 2;
    server.sin_port = htons((unsigned short) atoi(arguments[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to_send = answers = atol(arguments[3]);
    again = strcmp(arguments[4], "new") == 0;
    require((queue = epoll_create1(0)) >= 0, "epoll_create1");
    for (int i = 0; i < atoi(arguments[2]) && to_send > 0; i++)
        begin();
    while (answers > 0) {
        int events = epoll_wait(queue, ready, EVENTS, -1);
        require(events >= 0, "epoll_wait");
        for (int i = 0; i < events; i++, answers--) {
            require(recv(ready[i].data.fd, answer, SIZE, MSG_WAITALL) == SIZE, "recv");
            if (again)
                close(ready[i].data.fd);
            if (to_send > 0 && again)
                begin();
            else if (to_send > 0)
                send_request(ready[i].data.fd);
        }
    }
    return 0;
}
