#!/bin/sh
# The guide "Kimi For Coding as the primary model": one file, what in it matters, and how to find what is wrong.
# shellcheck source=tests/seeds/steps.sh
. "$REPOSITORY/tests/seeds/steps.sh"

step 'the configuration: it loads'
block blog-kimi-code
run moonrelay config validate
ok
run moonrelay models list --provider kimi-code
ok
line_with kimi-code/kimi-for-coding default 'alias:kimi k2.5 (kimi code)'

step 'why: window, largest answer, thinking'
run moonrelay models list --provider kimi-code --json
shows '"key": "kimi-code/kimi-for-coding"' '"contextWindow": 262144' '"maxTokens": 32768' '"reasoning": true'

step 'it answers, and the configured identity is sent'
restart
run moonrelay agent --message 'hello coder' --json
ok
shows '"provider": "kimi-code"' '"model": "kimi-for-coding"' 'hello coder'
if has curl && has jq; then
  sent_header user-agent
  is KimiCLI/0.77
fi

step '1: without that header the OpenAI protocol is refused'
hello='{"model":"kimi-for-coding","messages":[{"role":"user","content":"hello"}]}'
upstream() {
  run curl -sS -X POST https://api.kimi.com/coding/v1/chat/completions \
    -H "Authorization: Bearer $KIMI" -H "User-Agent: $1" -H 'Content-Type: application/json' -d "$hello"
  ok
}
if has curl; then
  upstream curl/8
  prints 'Kimi For Coding is currently only available for Coding Agents'
  # Both of those that it names are let in.
  for agent in claude-code/1.0.0 KimiCLI/0.77; do
    upstream "$agent"
    shows '"choices"' hello
  done
fi

step '2: the developer role is not sent'
if has curl && has jq; then
  run curl -sS "$GATEWAY/v1/chat/completions" -H 'content-type: application/json' \
    -d '{"model":"kimi-code/kimi-for-coding","messages":[{"role":"developer","content":"be short"},{"role":"user","content":"hi"}]}'
  ok
  sent '[.messages[].role]'
  is '["system","user"]'
fi

step '3: thinking comes beside the answer'
if has curl && has jq; then
  run sh -c "curl -s -X POST https://api.kimi.com/coding/v1/chat/completions \
    -H 'Authorization: Bearer $KIMI' -H 'User-Agent: KimiCLI/0.77' -H 'Content-Type: application/json' \
    -d '{\"model\":\"kimi-for-coding\",\"messages\":[{\"role\":\"user\",\"content\":\"What is 47 * 83?\"}]}' |
    jq '.choices[0].message'"
  ok
  shows '"content": "' '47 * 83' '"reasoning_content": "'
fi

step '4: the default thinking level is in the log'
# There: thinking=low, in a file below /tmp. Here the journal has it, and the field MOONRELAY_THINKING.
logged
line_with 'kimi-code/kimi-for-coding answered' 'thinking low'

step '4: shown in a chat, and hidden'
restart
chat '/reasoning on' 'what do you think?' '/reasoning off' 'and now?'
ok
prints '[thinking] ' 'what do you think?' 'and now?'
lines_with 1 '[thinking] '

step 'trouble: message order: a copy of the sessions'
run moonrelay sessions list
ok
line_with talk
run tar -czvf "$STATE/sessions-backup.tar.gz" -C "$STATE" sessions
ok
prints sessions/talk.jsonl
run moonrelay sessions export talk
ok
prints '# Session talk' 'what do you think?'

step 'trouble: message order: the sessions are cleared'
# There: rm -rf of their folder; here there is a command.
run moonrelay sessions delete talk --yes
ok
run sh -c "ls '$STATE/sessions'"
prints_no talk.jsonl
run tar -xzf "$STATE/sessions-backup.tar.gz" -C "$STATE"
ok
run moonrelay sessions show talk
ok
prints 'what do you think?'
rm -rf "$STATE/sessions"
run moonrelay sessions list
ok
prints 'no sessions in'

step 'trouble: message order: stop and start'
# Without a unit both say what to do instead; .ci/run systemd stops and starts a real one.
run moonrelay gateway stop
ends 1
prints Ctrl-C
gateway_ends
run moonrelay gateway status
ends 1
run moonrelay gateway start
ends 1
prints 'moonrelay gateway run'
gateway_begins
run moonrelay gateway status
ok

step 'trouble: 403: without the header of the model'
run moonrelay config unset 'models.providers.kimi-code.models[0].headers'
ok
gateway_ends
gateway_begins
if has curl; then
  run curl -sS "$GATEWAY/v1/chat/completions" -H 'content-type: application/json' \
    -d '{"model":"kimi-code/kimi-for-coding","messages":[{"role":"user","content":"hi"}]}'
  ok
  prints forbidden_client
fi
# A client that is a coding agent needs no configured header: its own is passed on.
if has curl; then
  run curl -sS "$GATEWAY/v1/chat/completions" -A claude-code/1.0.0 -H 'content-type: application/json' \
    -d '{"model":"kimi-code/kimi-for-coding","messages":[{"role":"user","content":"hi"}]}'
  ok
  shows '"choices"'
fi
# And our own commands ask over Messages, which has no gate.
run moonrelay agent --local --message 'hello all the same' --json
ok
prints 'hello all the same'

step 'trouble: a key is not found'
# Out of date there: env.vars does feed ${VAR}.
block blog-kimi-code -e "s/\"apiKey\": \"[^\"]*\"/\"apiKey\": \"\${KIMICODE_API_KEY}\"/"
run moonrelay config get models.providers.kimi-code.apiKey
ok
prints_no "$KIMI"
run moonrelay agent --local --message 'whose key?' --json
ok
shows '"provider": "kimi-code"' 'whose key?'

step 'useful commands: a new session, and the model by its reference'
restart
chat '/new' '/model kimi-code/kimi-for-coding' 'fresh'
ok
prints 'New session' 'kimi-code/kimi-for-coding' fresh

to_the_end
