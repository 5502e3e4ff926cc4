"""What is done about an alert: keep it in a file, start a command, call a webhook, write to a chat.

Each action has a queue of its own in the state file (:mod:`pipelines.subscribe.queue`) and a thread of its own
(:class:`~pipelines.subscribe.actions.worker.Workers`), so that none holds up another, nor the stream.
"""

from pipelines.subscribe.actions.action import Action, Call
from pipelines.subscribe.actions.settings import ActionSettings, make_action
from pipelines.subscribe.actions.worker import Workers

__all__ = ["Action", "ActionSettings", "Call", "Workers", "make_action"]
