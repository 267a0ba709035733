from updates import authorisation
from updates.domain.lifecycle import Action
from updates.management.decision import Decide, DecisionCommand
from updates.services import decisions


class Command(DecisionCommand):
    help = "Deletes superseded and rejected updates with their files; their versions may be imported again."
    action = Action.REMOVED
    permission = authorisation.REMOVE
    verb, past = "Remove", "removed"

    def service(self) -> Decide:
        return decisions.remove
