#!/bin/sh
# The guide "Kimi model integration": Moonshot's platform, Kimi Code, and both at once, by aliases.
# What its table of commands says there and here: README.md in this folder.
# shellcheck source=tests/seeds/steps.sh
. "$REPOSITORY/tests/seeds/steps.sh"

step 'option 1, 1: the key of Moonshot is a variable'
# There: exported, or a line of ~/.env. Here the line stands in the secrets file; quotes around a value are none of it.
echo "MOONSHOT_API_KEY=\"$MOONSHOT\"" >>"$SECRETS"
chmod 600 "$SECRETS"
run moonrelay models status
ok
prints moonshot "sk-…00"

step 'option 1, 2: the block of the provider'
block skill-moonshot
run moonrelay config validate
ok
# Out of date there: the model went in August 2026.
prints 'moonshot/kimi-k2.5 was retired on 2026-08-31; its successor is moonshot/kimi-k2.6'

step 'option 1, 3: restart'
restart

step 'option 1, 4: the models of Moonshot are in the list'
run moonrelay models list
ok
for model in moonlight-v1-32k moonshot-v1-8k moonshot-v1-32k moonshot-v1-128k; do
  line_with "moonshot/$model"
done
line_with moonshot/kimi-k2.5 default
run moonrelay gateway status
ok
prints "$GATEWAY"

step 'option 1, 5: set as the default'
run moonrelay models set moonshot/kimi-k2.5
ok
run moonrelay config get agents.defaults.model.primary
is moonshot/kimi-k2.5

step 'option 1, 5: chosen in a chat by its reference'
chat '/model moonshot/kimi-k2.5'
ok
prints moonshot/kimi-k2.5

step 'option 1: the model answers'
# There it does. It is gone, and the provider says so; its successor, which the warning named, answers.
chat '/model moonshot/kimi-k2.5' hello
ends 1
prints 'Not found the model kimi-k2.5'
chat '/model moonshot/kimi-k2.6' 'hello moon'
ok
prints 'kimi-k2.6 via moonshot: hello moon'
asked_of
is 'api.moonshot.cn POST /anthropic/v1/messages'

step 'option 2, 1: the key of Kimi Code is another variable'
export KIMICODE_API_KEY="$KIMI"
run moonrelay models status
ok
prints 'env KIMICODE_API_KEY'

step 'option 2, 2 and 3: the block, and a restart'
block skill-kimi-code
run moonrelay config validate
ok
restart

step 'option 2, 4: the model is in the list'
run moonrelay models list
ok
line_with kimicode/kimi-for-coding default alias:kimi

step 'option 2, 5: set as the default'
run moonrelay models set kimicode/kimi-for-coding
ok
run moonrelay config get agents.defaults.model.primary
is kimicode/kimi-for-coding

step 'option 2, 5: chosen by its alias, and it answers'
chat '/model kimi' 'hello coder'
ok
prints kimicode/kimi-for-coding 'hello coder'
# The document does not say that Kimi Code rejects unknown clients; here the request goes over Messages, which accepts all.
asked_of
is 'api.kimi.com POST /coding/v1/messages'

step 'both: two providers, two keys, two aliases'
block skill-both
run moonrelay config validate
ok
restart
run moonrelay models aliases list
ok
line_with k25 moonshot/kimi-k2.5
line_with kimi kimicode/kimi-for-coding

step 'both: /model k25 and /model kimi switch'
chat '/model k25' '/model kimi' '/model' 'which one is this?'
ok
prints moonshot/kimi-k2.5 kimicode/kimi-for-coding 'which one is this?'
run moonrelay agent --model kimi --message 'and this?' --json
ok
shows '"provider": "kimicode"' '"model": "kimi-for-coding"'

step 'trouble: a model that is not in the list: what the configuration says'
# There: gateway config.get, piped into grep.
run sh -c 'moonrelay config get | grep -A 20 moonshot'
ok
shows '"moonshot": {' '"baseUrl": "https://api.moonshot.cn/v1"' '"id": "kimi-k2.5"'
prints_no "$MOONSHOT"

step 'trouble: whether a key is set'
# There: echo $MOONSHOT_API_KEY, which shows it.
run moonrelay models status --json
ok
prints 'env KIMICODE_API_KEY' 'secrets file MOONSHOT_API_KEY'
prints_no "$MOONSHOT" "$KIMI"

step 'trouble: a key of the other provider is rejected, and the error names the provider'
MOONSHOT_API_KEY=$KIMI
export MOONSHOT_API_KEY
run moonrelay agent --local --model moonshot/kimi-k2.6 --message hi --json
ends 1
shows '"type": "auth"'
prints_no "$KIMI"
MOONSHOT_API_KEY=$MOONSHOT

step 'trouble: the endpoint itself'
ask_moonshot() {
  run curl -sS -X POST https://api.moonshot.cn/v1/chat/completions \
    -H "Authorization: Bearer $MOONSHOT_API_KEY" \
    -H 'Content-Type: application/json' \
    -d "{\"model\": \"$1\", \"messages\": [{\"role\": \"user\", \"content\": \"test\"}]}"
  ok
}
if has curl; then
  # There it answers; out of date as above.
  ask_moonshot kimi-k2.5
  prints resource_not_found_error
  ask_moonshot kimi-k2.6
  shows '"choices"' 'kimi-k2.6 via moonshot: test'
fi

step 'trouble: the same of the gateway'
if has curl; then
  run curl -sS -X POST "$GATEWAY/v1/chat/completions" -H 'Content-Type: application/json' \
    -d '{"model": "moonshot/kimi-k2.6", "messages": [{"role": "user", "content": "test"}]}'
  ok
  prints 'kimi-k2.6 via moonshot: test'
fi

step 'recommendations: the windows that it names'
run moonrelay models list --provider kimicode --json
ok
shows '"key": "kimicode/kimi-for-coding"' '"contextWindow": 200000'
block skill-moonshot
run moonrelay models list --provider moonshot --json
shows '"key": "moonshot/moonshot-v1-128k"' '"contextWindow": 131072'
run moonrelay config get
shows '"contextWindow": 200000'

to_the_end
