from lsf.api.process import Popen as Popen
from lsf.api.process import command as command
from lsf.api.process import run as run
from lsf.api.tracing import TraceError as TraceError
from lsf.api.tracing import trace as trace
