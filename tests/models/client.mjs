// The official JavaScript client asks a served real model for a vote: client.mjs URL
import assert from "node:assert";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none needed", timeout: 600_000 });
const messages = [{ role: "user", content: "What is 3 plus 4? Answer with a number." }];
const names = [];
for await (const model of client.models.list()) names.push(model.id);
const policy = names.find((name) => !name.includes(":") && !name.includes("@"));
const reply = await client.chat.completions.create({
  model: `majority:${policy}`, messages, seed: 1, max_tokens: 96, outthink: { budget: 2 },
});
assert(reply.choices[0].message.content.trim().length > 0);
console.log(`the JavaScript client is served by ${policy}`);
