from updates import authorisation
from updates.domain.lifecycle import Action
from updates.management.decision import Decide, DecisionCommand
from updates.services import decisions


class Command(DecisionCommand):
    help = (
        "Rejects pending updates: test devices fall back to the approved versions. Files stay until cleared."
    )
    action = Action.REJECTED
    permission = authorisation.REJECT
    verb, past = "Reject", "rejected"

    def service(self) -> Decide:
        return decisions.reject
