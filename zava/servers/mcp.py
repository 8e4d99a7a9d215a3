"""zava mcp: servers for assistants, over stdio or HTTP."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conformance.extras import require
from conformance.run.session import Project
from conformance.server.target import Target, require_data
from zava.terminal.console import Embedded, Uri, chosen, notice, project_of

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from mcp_servers.scoped_reader import Shop

commands = typer.Typer(
    name="mcp",
    help="Serve assistants that speak the Model Context Protocol; each caller sees only their own store.\n\n"
    "Example: zava mcp customer-sales",
    no_args_is_help=True,
)
Http = Annotated[bool, typer.Option("--http", help="Streamable HTTP on 127.0.0.1 instead of stdio.")]
Port = Annotated[int, typer.Option(help="With --http: the port; 0 for any free one.", min=0, max=65_535)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(commands)


@commands.command("customer-sales")
def customer_sales(
    context: typer.Context, uri: Uri = None, embedded: Embedded = False, http: Http = False, port: Port = 0
) -> None:
    """Serve product search, availability and customers' orders.

    Over stdio the environment variable RLS_USER_ID says who is asking, over HTTP the header x-rls-user-id of each
    request, which a gateway must have checked. A caller who is not known gets an error. The super manager's id is
    accepted over HTTP only from a gateway that shows MCP_GATEWAY_TOKEN.

    Example: RLS_USER_ID=00000000-0000-0000-0000-000000000000 zava mcp customer-sales
    """
    _serve(project_of(context), uri, embedded, port if http else None, _customer_sales)


@commands.command("sales-analysis")
def sales_analysis(
    context: typer.Context, uri: Uri = None, embedded: Embedded = False, http: Http = False, port: Port = 0
) -> None:
    """Serve sales reports, stock alerts and read-only aggregations; who is asking is said as for customer-sales.

    Example: zava mcp sales-analysis --http --port 8765
    """
    _serve(project_of(context), uri, embedded, port if http else None, _sales_analysis)


def _customer_sales(project: Project, shop: Shop) -> MCPServer[Any]:
    from generator.embeddings.azure_openai import embedder_for
    from generator.embeddings.embedder import local_embedder
    from generator.embeddings.vectors import Vectors
    from mcp_servers import customer_sales
    from mcp_servers.transport import server

    embedders = dict.fromkeys((embedder_for(project.settings), local_embedder()))
    vectors = Vectors(shop.model, shop.database, "product_embeddings.description_embedding", list(embedders))
    tools = customer_sales.CustomerSales(shop, vectors).tools
    return server(customer_sales.NAME, customer_sales.INSTRUCTIONS, version("zava-conformance"), tools)


def _sales_analysis(project: Project, shop: Shop) -> MCPServer[Any]:
    from mcp_servers import sales_analysis
    from mcp_servers.schema_description import hints
    from mcp_servers.transport import server

    tools = sales_analysis.SalesAnalysis(shop, hints(project.configuration.queries)).tools
    return server(sales_analysis.NAME, sales_analysis.INSTRUCTIONS, version("zava-conformance"), tools)


def _serve(
    project: Project,
    uri: str | None,
    embedded: bool,
    port: int | None,
    make: Callable[[Project, Shop], MCPServer[Any]],
) -> None:
    """Open the database, pooled, and serve until told to end. What is said goes to stderr: stdout is the protocol's."""
    require("mcp")
    from conformance.ditto.permissions import load_permissions
    from mcp_servers.scoped_reader import Limits, Shop
    from mcp_servers.transport import serve_http, serve_stdio

    permissions = load_permissions(project.model)
    settings = project.settings
    limits = Limits(settings.mcp_pool_size, settings.mcp_wait_ms, settings.mcp_max_time_ms)
    token = settings.mcp_gateway_token.get_secret_value() if settings.mcp_gateway_token else None
    choice = chosen(project, uri, embedded)
    with project.opened(choice, **limits.client_options()) as target:
        require_data(project.model, target)
        shop = Shop(project.model, permissions, target.database, limits, token, settings.rls_user_id)
        made = make(project, shop)
        if port is not None:
            serve_http(made, port, token, typer.echo, shop.stop)
            return
        _tell_whom(shop, target, settings.rls_user_id)
        serve_stdio(made, shop.stop)


def _tell_whom(shop: Shop, target: Target, user_id: str | None) -> None:
    """Say on stderr what an operator would otherwise wonder about."""
    user = shop.user(user_id)
    if user is None:
        what = "missing" if user_id is None else "unknown"
        notice(f"RLS_USER_ID is {what}: nothing of {target.info.database} is visible")
    else:
        who = "the super manager" if user.super_manager else ", ".join(map(str, user.attributes.values()))
        notice(f"serving {target.info.describe()} for {who}")
