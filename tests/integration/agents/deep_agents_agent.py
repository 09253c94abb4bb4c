"""A Deep Agent with a scripted model."""

import json
from datetime import timedelta
from typing import Any

from deepagents import create_deep_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from temporalio import workflow
from temporalio.deepagents import DeepAgentsPlugin, tool_as_activity
from temporalio.plugin import SimplePlugin

from ringback.agents.langgraph import answer_interrupts
from tests.integration.agents.refunds import to_next_calls


@tool("refund")
async def pay_back(order: str, euros: int) -> str:
    """Pay money back."""
    return f"refunded {order} {euros}"


refund = tool_as_activity(pay_back, start_to_close_timeout=timedelta(seconds=10))


class Scripted(BaseChatModel):
    """Makes the calls of the prompt, and replies with their outputs."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        """Offer the tools: the script knows them."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        # A rejection comes before the outputs of the calls that ran.
        replies = [one for one in messages if isinstance(one, ToolMessage)]
        outputs = [one.content for one in sorted(replies, key=lambda one: one.tool_call_id)]
        (prompt,) = [str(one.content) for one in messages if isinstance(one, HumanMessage)]
        calls = [
            {"name": "refund", "args": arguments, "id": call_id}
            for call_id, arguments in to_next_calls(prompt, len(outputs))
        ]
        reply = AIMessage("" if calls else json.dumps(outputs), tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=reply)])


@workflow.defn
class DeepAgent:
    """Runs the agent."""

    @workflow.run
    async def run(self, text: str, seconds: float) -> str:
        agent = create_deep_agent(
            model="scripted",
            tools=[refund],
            interrupt_on={refund.name: True},
            checkpointer=InMemorySaver(),
        )
        config: RunnableConfig = {"configurable": {"thread_id": "refunds"}}
        within = timedelta(seconds=seconds)
        result = await agent.ainvoke({"messages": [HumanMessage(text)]}, config)
        result = await answer_interrupts(agent, result, config, tools=[refund], within=within)
        return str(result["messages"][-1].content)


def plugins() -> list[SimplePlugin]:
    """Return the framework's plugins."""
    options = {"start_to_close_timeout": timedelta(seconds=20)}
    return [DeepAgentsPlugin(model_provider=lambda _: Scripted(), model_activity_options=options)]
