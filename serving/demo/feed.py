"""One answered feed, drawn in the terminal with its ads, their prices and why."""

from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from adsrank.request import AdRequest
from serving.answer import AdPosition, FeedResponse, ModulePosition

SHOWN = 16


def draw_feed(console: Console, request: AdRequest, response: FeedResponse) -> None:
    """The first positions of `response`, organic items dim, ads with price, setter and reason."""
    lines: list[Text] = []
    utility = {item.id: item.utility for item in request.organic}
    for entry in response.feed[:SHOWN]:
        if isinstance(entry, AdPosition):
            line = Text(f"{entry.position:>3}  ", style="bold")
            line.append(f"{entry.disclosure}: {entry.title}", style="bold dark_orange3")
            per = {"IMPRESSION": "look", "CLICK": "click", "CONVERSION": "conversion", "VIEW": "view"}[
                entry.billable_event
            ]
            line.append(f"  {entry.price_micros / 1e6:,.4f} a {per}", style="green")
            line.append(f"  ({entry.why})", style="italic")
        elif isinstance(entry, ModulePosition):
            line = Text(f"{entry.position:>3}  a module of the mixer's own", style="dim italic")
        else:
            line = Text(f"{entry.position:>3}  pin {entry.id}", style="dim")
            line.append(f"  utility {utility.get(entry.id, 0.0):.3f}", style="dim")
        lines.append(line)
    if len(response.feed) > SHOWN:
        lines.append(Text(f"     ... {len(response.feed) - SHOWN} more", style="dim"))
    if response.reasons:
        top = sorted(response.reasons.items(), key=lambda pair: -pair[1])[:6]
        lines.append(Text("not shown: " + ", ".join(f"{n:,} {name}" for name, n in top), style="dim"))
    title = f"{request.surface.value} feed of user {request.user_id}, request {request.request_id}"
    console.print(Panel(Group(*lines), title=title, title_align="left", width=100))
