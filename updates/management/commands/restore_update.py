from updates import authorisation
from updates.domain.lifecycle import Action
from updates.management.decision import Decide, DecisionCommand
from updates.services import decisions


class Command(DecisionCommand):
    help = "Rolls approved updates back: what was approved before each is offered again."
    action = Action.ROLLED_BACK
    permission = authorisation.ROLL_BACK
    verb, past = "Roll back", "rolled back"

    def service(self) -> Decide:
        return decisions.roll_back
