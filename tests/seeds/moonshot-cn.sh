#!/bin/sh
# The Chinese page "Moonshot AI / Kimi": the platform's China site by default, and Kimi Code with its own key.
# shellcheck source=tests/seeds/steps.sh
. "$REPOSITORY/tests/seeds/steps.sh"

step 'onboarding: Moonshot, the China site'
# There the choice without a suffix is the China site; here it is moonshot-api-key-cn, as in OpenClaw's later releases.
fed "$MOONSHOT" moonrelay onboard --auth-choice moonshot-api-key-cn --non-interactive --api-key-stdin
ok
prints MOONSHOT_API_KEY "$SECRETS"
prints_no "$MOONSHOT"
asked_of
line_with 'api.moonshot.cn GET /v1/models'
run moonrelay config get models.providers.moonshot.baseUrl
is https://api.moonshot.cn/v1

step 'onboarding: Kimi Code'
fed "$KIMI" moonrelay onboard --auth-choice kimi-code-api-key --non-interactive --api-key-stdin
ok
prints KIMI_API_KEY "$SECRETS"
run stat -c %a "$SECRETS"
is 600
run moonrelay models status
ok
prints kimi moonshot

step 'onboarding: two providers, and neither takes the key of the other'
fed "$KIMI" moonrelay onboard --auth-choice moonshot-api-key-cn --non-interactive --api-key-stdin
ends 1
prints kimi-code-api-key
fed "$MOONSHOT" moonrelay onboard --auth-choice kimi-code-api-key --non-interactive --api-key-stdin
ends 1
prints moonshot-api-key
rm "$SECRETS"

step 'the example for Moonshot: it loads, and its ids are retired'
block cn-moonshot
run moonrelay config validate
ok
# The four ids of the page, all gone since.
for model in kimi-k2-0905-preview kimi-k2-turbo-preview kimi-k2-thinking kimi-k2-thinking-turbo; do
  line_with "moonshot/$model was retired"
done

step 'the example for Moonshot: models and aliases'
# Aliases are taken in any case, and shown in lower case.
run moonrelay models list --provider moonshot
ok
line_with moonshot/kimi-k2-0905-preview default 'alias:kimi k2'
line_with moonshot/kimi-k2-turbo-preview 'alias:kimi k2 turbo'
line_with moonshot/kimi-k2-thinking 'alias:kimi k2 thinking'
line_with moonshot/kimi-k2-thinking-turbo 'alias:kimi k2 thinking turbo'
run moonrelay models list --provider moonshot --json
shows '"contextWindow": 256000' '"maxTokens": 8192'

step 'the example for Moonshot: the China site is asked'
run moonrelay agent --local --message hi --json
ends 1
shows '"type": "model_not_found"'
asked_of
is 'api.moonshot.cn POST /anthropic/v1/messages'
run moonrelay agent --local --model moonshot/kimi-k2.6 --message '你好' --json
ok
shows '"provider": "moonshot"' '你好' '"currency": "CNY"'

step 'the example for Moonshot: the international site, for users abroad'
run moonrelay config set models.providers.moonshot.baseUrl https://api.moonshot.ai/v1
ok
run moonrelay agent --local --model moonshot/kimi-k2.6 --message hi --json
ok
shows '"currency": "USD"'
asked_of
is 'api.moonshot.ai POST /anthropic/v1/messages'

step 'the example for Kimi Code: it loads, and its model is there'
block cn-kimi-code -e "s/sk-\.\.\./$KIMI/"
run moonrelay config validate
ok
run moonrelay models list --provider kimi-code
ok
line_with kimi-code/kimi-for-coding default 'alias:kimi code'
run moonrelay models list --provider kimi-code --json
shows '"key": "kimi-code/kimi-for-coding"' '"contextWindow": 262144' '"maxTokens": 32768' '"reasoning": true'

step 'the example for Kimi Code: it answers'
run moonrelay agent --local --message 'hello coder' --json
ok
shows '"provider": "kimi-code"' '"model": "kimi-for-coding"' 'hello coder'

step 'the example for Kimi Code: the configured identity is sent'
if has curl && has jq; then
  sent_header user-agent
  is KimiCLI/0.77
fi

step 'notes: references, and figures of your own'
chat '/model kimi-code/kimi-for-coding'
ok
prints kimi-code/kimi-for-coding
run moonrelay config set 'models.providers.kimi-code.models[0].contextWindow' 131072
ok
run moonrelay config set 'models.providers.kimi-code.models[0].cost.output' 4
ok
run moonrelay models list --provider kimi-code --json
shows '"contextWindow": 131072' '"output": 4'

to_the_end
