"""Rules about the Bedrock models of agents."""

from collections.abc import Iterator

from core.aws import bedrock_models
from core.config.errors import Fault, rm_command, set_command, show
from core.config.patterns import is_region
from core.config.rules.facts import Facts


def check_models(facts: Facts) -> Iterator[Fault]:
    """Bedrock must be able to invoke each model by its id from the stack's region."""
    for name, agent in facts.fleet.agents.items() if is_region(facts.region) else ():
        for position, model in enumerate(agent.models):
            reason = _cannot_be_invoked(model, facts.region)
            if reason:
                profile = bedrock_models.profile(model)
                named = profile.model if profile else model
                proposed = bedrock_models.proposals(named, facts.region)
                here = ("agents", name, "models", position)
                yield Fault(
                    path=here,
                    got=show(model),
                    allowed=f"{reason}: {' or '.join(proposed) or 'no such profile is known'}",
                    fix=set_command(here, proposed[0]) if proposed else rm_command(here),
                )


def _cannot_be_invoked(model: str, region: str) -> str | None:
    """The kind of id that is required instead, or None if the model can be invoked."""
    profile = bedrock_models.profile(model)
    if profile and not bedrock_models.serves(profile.geography, region):
        return f"an inference profile of a geography that includes {region}"
    if bedrock_models.needs_profile(model, region):
        return f"an inference profile for {region}; the model is not available on demand"
    return None
