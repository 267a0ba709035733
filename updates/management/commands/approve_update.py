from updates import authorisation
from updates.domain.lifecycle import Action
from updates.management.decision import Decide, DecisionCommand
from updates.services import decisions


class Command(DecisionCommand):
    help = "Approves pending updates: from now on they are offered to every device of their type."
    action = Action.APPROVED
    permission = authorisation.APPROVE
    verb, past = "Approve", "approved"

    def service(self) -> Decide:
        return decisions.approve
