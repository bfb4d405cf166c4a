from lsf.api import events as events
from lsf.api.events import TraceEvent as TraceEvent
from lsf.api.process import Popen as Popen
from lsf.api.process import command as command
from lsf.api.process import run as run
from lsf.api.tracing import Trace as Trace
from lsf.api.tracing import TraceError as TraceError
from lsf.api.tracing import trace as trace

__version__: str
