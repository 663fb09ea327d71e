// The official JavaScript client, unchanged, against `outthink serve`: openai_client.mjs URL
import assert from "node:assert";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none needed" });
const messages = [{ role: "user", content: "Evaluate $(17+19)\\cdot 4-16$." }];

const reply = await client.chat.completions.create({ model: "beam:micro-0.3m", messages, seed: 1 });
assert(reply.choices[0].message.content.includes("\\boxed{128}"));
assert.equal(reply.outthink.answer, "128");

let text = "";
let usage = null;
const stream = await client.chat.completions.create({
  model: "auto@micro-0.3m", messages, seed: 1, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert(text.includes("boxed") && usage.total_tokens > 0);

await assert.rejects(client.chat.completions.create({ model: "mcts:micro-0.3m", messages }), OpenAI.NotFoundError);
console.log("the JavaScript client is served");
