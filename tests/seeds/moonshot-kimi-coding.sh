#!/bin/sh
# The page "Moonshot AI" of 2026: the platform with its catalog and prices, Kimi Coding, web search, thinking, tool ids.
# shellcheck source=tests/seeds/steps.sh
. "$REPOSITORY/tests/seeds/steps.sh"

step 'catalog: the models of the table'
export MOONSHOT_API_KEY="$MOONSHOT"
run moonrelay models list --provider moonshot --json
ok
shows '"key": "moonshot/kimi-k2.7-code"' '"contextWindow": 262144'
shows '"key": "moonshot/kimi-k2.6"' '"contextWindow": 262144'
# Out of date there: four of its six models are gone. A reference to one of them is warned of and passed on.
run moonrelay explain moonshot/kimi-k2.5
prints 'retired on 2026-08-31'

step 'catalog: prices per million tokens'
if has jq; then
  run sh -c "moonrelay models list --provider moonshot --json |
    jq -c '.models[] | select(.key == \"moonshot/kimi-k2.6\" or .key == \"moonshot/kimi-k2.7-code\") | [.key, .cost.cacheRead, .cost.input, .cost.output]'"
  line_with '["moonshot/kimi-k2.7-code",0.19,0.95,4'
  line_with '["moonshot/kimi-k2.6",0.16,0.95,4'
fi
unset MOONSHOT_API_KEY

step 'getting started: onboarding, international'
fed "$MOONSHOT" moonrelay onboard --auth-choice moonshot-api-key --non-interactive --api-key-stdin
ok
prints MOONSHOT_API_KEY
asked_of
is 'api.moonshot.ai GET /v1/models'

step 'getting started: onboarding, China'
fed "$MOONSHOT" moonrelay onboard --auth-choice moonshot-api-key-cn --non-interactive --api-key-stdin
ok
asked_of
is 'api.moonshot.cn GET /v1/models'
run moonrelay config get models.providers.moonshot.baseUrl
is https://api.moonshot.cn/v1

step 'getting started: a default model'
block openclaw-default-model
run moonrelay config validate
ok

step 'getting started: the models are available'
run moonrelay models list --provider moonshot
ok
line_with moonshot/kimi-k2.6 default

step 'getting started: the smoke test, in a state directory of its own'
isolated=$TMPDIR/moonrelay-kimi
mkdir "$isolated"
cp "$CONFIGURATION" "$isolated/config.json5"
run env MOONRELAY_CONFIG="$isolated/config.json5" \
  STATE_DIRECTORY="$isolated" \
  moonrelay agent --local \
  --session-id live-kimi-cost \
  --message 'Reply exactly: KIMI_LIVE_OK' \
  --thinking off \
  --json
ok
shows '"ok": true' '"sessionId": "live-kimi-cost"' '"provider": "moonshot"' '"model": "kimi-k2.6"' KIMI_LIVE_OK '"cost": {'
smoke=$out
run sh -c "ls '$STATE' 2>/dev/null"
is ''

step 'getting started: the transcript has usage and cost'
run cat "$isolated/sessions/live-kimi-cost.jsonl"
ok
line_with '"role":"assistant"' '"provider":"moonshot"' '"model":"kimi-k2.6"' '"usage":{' '"cost":{' '"total":'
if has jq; then
  command='the cost of the smoke test, by the prices of the page'
  out=$(printf '%s\n' "$smoke" | jq '.usage | .cost.total > 0 and
    ((.cost.total - (.input * 0.95 + .cacheRead * 0.16 + .output * 4) / 1e6) | fabs) < 1e-9')
  is true
fi

step 'getting started: thinking was off'
if has curl && has jq; then
  sent .thinking
  is '{"type":"disabled"}'
fi

step 'config example: it loads, with aliases, and what is retired is named'
block openclaw-moonshot
run moonrelay config validate
ok
line_with 'moonshot/kimi-k2-turbo' 'retired'
run moonrelay models list --provider moonshot
ok
line_with moonshot/kimi-k2.6 default 'alias:kimi k2.6'
line_with moonshot/kimi-k2.7-code 'alias:kimi k2.7 code'
line_with moonshot/kimi-k2-turbo 'alias:kimi k2 turbo'

step 'config example: K2.7 Code always thinks, and gets no thinking parameter'
run moonrelay agent --local --model moonshot/kimi-k2.7-code --thinking off --message hi --json
ends 1
prints thinking_unsupported 'use one of: on'
run moonrelay agent --local --model moonshot/kimi-k2.7-code --message 'think of the moon' --json
ok
shows '"model": "kimi-k2.7-code"'
if has curl && has jq; then
  sent '[.thinking, .reasoning_effort, .temperature, .top_p]'
  is '[null,null,null,null]'
fi

step 'Kimi Coding: onboarding'
rm "$CONFIGURATION" "$SECRETS"
fed "$KIMI" moonrelay onboard --auth-choice kimi-code-api-key --non-interactive --api-key-stdin
ok
prints KIMI_API_KEY
asked_of
line_with 'api.kimi.com GET /coding/v1/models'

step 'Kimi Coding: a default model, and it is available'
block openclaw-kimi-default
run moonrelay config validate
ok
run moonrelay models list --provider kimi
ok
line_with kimi/kimi-for-coding default

step 'Kimi Coding: it answers, also under its old names'
for name in kimi/kimi-for-coding kimi/kimi-code kimi/k2p5; do
  run moonrelay agent --local --model "$name" --message 'hello coder' --json
  ok
  shows '"provider": "kimi"' 'hello coder'
  if has curl && has jq; then
    sent .model
    is '"kimi-for-coding"'
  fi
done

step 'Kimi Coding: the config example'
block openclaw-kimi -e "s/sk-\.\.\./$KIMI/"
run moonrelay config validate
ok
restart
chat '/model Kimi' 'hello again'
ok
prints kimi/kimi-for-coding 'hello again'
gateway_ends

step 'web search: the section asks region and model'
export MOONSHOT_API_KEY="$MOONSHOT"
run moonrelay onboard --section web-search --region ai --model kimi-k2.6 --non-interactive
ok
run moonrelay config get plugins.entries.moonshot.config.webSearch
ok
shows '"baseUrl": "https://api.moonshot.ai/v1"' '"model": "kimi-k2.6"'
run moonrelay config get tools.web.search.provider
is kimi
run moonrelay onboard --section web-search --region cn --non-interactive
ok
run moonrelay config get plugins.entries.moonshot.config.webSearch.baseUrl
is https://api.moonshot.cn/v1
unset MOONSHOT_API_KEY

step 'web search: the configuration of the page, and a search'
block openclaw-web-search
run moonrelay config validate
ok
run moonrelay web-search 'what is new on the moon' --json
ok
shows '"provider": "kimi"' '"model": "kimi-k2.6"' '"citations": [' https://
asked_of
is 'api.moonshot.ai POST /v1/chat/completions'
if has curl && has jq; then
  sent '[.model, .thinking.type, .tools[0].type, .tools[0].function.name]'
  # shellcheck disable=SC2016 # the name begins with a dollar sign
  is '["kimi-k2.6","disabled","builtin_function","$web_search"]'
fi

step 'web search: the keys that it takes'
# There also KIMI_API_KEY; a key of Kimi Code is none of the platform's, which says so. One of the platform's is taken
# under either name.
rm -f "$CONFIGURATION" "$SECRETS"
run env KIMI_API_KEY="$KIMI" moonrelay web-search 'whose moon is it' --json
ends 1
run env KIMI_API_KEY="$MOONSHOT" moonrelay web-search 'whose moon is it' --json
ok
shows '"citations": ['
run env MOONSHOT_API_KEY="$MOONSHOT" moonrelay web-search 'whose moon is it' --json
ok
shows '"citations": ['

step 'advanced: thinking off in the parameters of a model'
export MOONSHOT_API_KEY="$MOONSHOT"
block openclaw-thinking-off
run moonrelay config validate
ok
restart
# ask BODY: of the gateway, by curl; what the provider got of it is looked at then.
ask() {
  run curl -sSf "$GATEWAY/v1/chat/completions" -H 'content-type: application/json' -d "$1"
  ok
}
hello='{"model": "moonshot/kimi-k2.6", "messages": [{"role": "user", "content": "hello"}]}'
if has curl && has jq; then
  ask "$hello"
  sent .thinking
  is '{"type":"disabled"}'
fi

step 'advanced: all of the reasoning is kept'
block openclaw-thinking-keep
run moonrelay config validate
ok
restart
if has curl && has jq; then
  ask "$hello"
  sent .thinking
  is '{"type":"enabled","keep":"all"}'
  # To no other model.
  ask '{"model": "moonshot/kimi-k2.7-code", "messages": [{"role": "user", "content": "hello"}]}'
  sent .thinking
  is null
fi

step 'advanced: a forced tool becomes auto while it thinks'
tools='[{"type": "function", "function": {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {}}}}]'
forced() {
  ask "{\"model\": \"moonshot/$1\", \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}], \"tools\": $tools, \"tool_choice\": $2}"
}
look='{"type": "function", "function": {"name": "look"}}'
if has curl && has jq; then
  forced kimi-k2.6 '"required"'
  sent .tool_choice
  is '"auto"'
  # One tool that is pinned: where thinking can be switched off the pin stays, elsewhere it becomes auto.
  forced kimi-k2.6 "$look"
  sent '[.tool_choice.function.name, .thinking.type]'
  is '["look","disabled"]'
  forced kimi-k2.7-code "$look"
  sent '[.tool_choice, .thinking]'
  is '["auto",null]'
fi

step 'advanced: the first native tool id stays, a second one of the same is rewritten with its result'
call='{"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [{"id": "functions.look:0", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}'
result='{"role": "tool", "tool_call_id": "functions.look:0", "content": "dark"}'
if has curl && has jq; then
  ask "{\"model\": \"moonshot/kimi-k2.6\", \"tools\": $tools, \"messages\": [{\"role\": \"user\", \"content\": \"look\"}, $call, $result, $call, $result]}"
  sent '[.messages[] | (.tool_calls[0].id // .tool_call_id // empty)] |
    [.[0] == "functions.look:0", .[0] == .[1], .[2] != .[0], .[2] == .[3], (.[2] | startswith("call_"))]'
  is '[true,true,true,true,true]'
fi

step 'advanced: a stream reports its usage'
if has curl; then
  ask '{"model": "moonshot/kimi-k2.6", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hello"}]}'
  shows '"usage":{' '"prompt_tokens"' '[DONE]'
fi

step 'advanced: /think in a chat'
block openclaw-default-model
restart
session=thinking
chat '/think' '/think off' 'without a thought' '/think on' 'with a thought'
ok
prints 'off, on' 'Thinking set to off' 'without a thought' 'Thinking set to on' 'with a thought'
if has curl && has jq; then
  sent .thinking.type
  is '"enabled"'
fi

step 'advanced: what it cost, in a chat'
session=costs
chat '/usage full' 'how much is the moon?' '/usage cost' '/status'
ok
prints 'moonshot/kimi-k2.6 · ' ' in, ' ' USD · ' 'session ' ' USD' 'model ' 'moonshot/kimi-k2.6' ' USD'
session=

step 'advanced: strict tool ids for a proxy'
block openclaw-sanitize
run moonrelay config validate
ok
run moonrelay config get models.providers.my-kimi-proxy.sanitizeToolCallIds
is true
# It needs an address before it can be called.
run moonrelay config set models.providers.my-kimi-proxy.baseUrl https://api.moonshot.ai/v1
ok
run moonrelay config set models.providers.my-kimi-proxy.apiKey "\${MOONSHOT_API_KEY}"
ok
restart
if has curl && has jq; then
  ask "{\"model\": \"my-kimi-proxy/kimi-k2.6\", \"tools\": $tools, \"messages\": [{\"role\": \"user\", \"content\": \"look\"}, $call, $result]}"
  sent '[.messages[] | (.tool_calls[0].id // .tool_call_id // empty)] | [.[0] == .[1], (.[0] | test("^[A-Za-z0-9]{1,40}$"))]'
  is '[true,true]'
fi

step 'table: which variable holds which key'
KIMI_API_KEY=$KIMI
export KIMI_API_KEY
rm "$CONFIGURATION"
run moonrelay models status
ok
line_with 'env MOONSHOT_API_KEY'
line_with 'env KIMI_API_KEY'

to_the_end
