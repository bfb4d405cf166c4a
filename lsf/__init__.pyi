from lsf.process import Popen as Popen
from lsf.process import command as command
from lsf.process import run as run
from lsf.tracing import TraceError as TraceError
from lsf.tracing import trace as trace
