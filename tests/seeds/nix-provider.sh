#!/bin/sh
# The summary "Kimi provider support" of a Nix flake: documentation, an example, a deployment and how it was verified.
# shellcheck source=tests/seeds/steps.sh
. "$REPOSITORY/tests/seeds/steps.sh"

step 'what was implemented: a page, and an example with its documents'
run sh -c "cd '$REPOSITORY' && ls docs/kimi-provider.md examples/kimi-provider/README.md examples/kimi-provider/flake.nix \
  examples/kimi-provider/test-flake.nix examples/kimi-provider/documents/AGENTS.md examples/kimi-provider/documents/SOUL.md \
  examples/kimi-provider/documents/TOOLS.md"
ok

step 'technical details: endpoint and model of the provider'
run moonrelay models list --provider kimi --json
ok
prints kimi/kimi-for-coding
run moonrelay config schema
prints openai-completions

step 'testing, 1: nix flake check'
skip 'needs Nix and the network (the checks of the repository evaluate this example, .ci/run nix its settings)'

step 'testing, 1: what the flake is made of can be read'
if has nix-instantiate; then
  run nix-instantiate --parse "$REPOSITORY/examples/kimi-provider/flake.nix" "$REPOSITORY/examples/kimi-provider/test-flake.nix"
  ok
fi

step 'new users, 1 and 2: the key, in a file that only its owner reads'
# There: ~/.secrets/…, mode 0600, as the EnvironmentFile of the unit. Here every command reads the secrets file too.
(umask 077 && printf 'KIMI_API_KEY=%s\nOPENROUTER_API_KEY=%s\n' "$KIMI" "$OPENROUTER" >"$SECRETS")
run stat -c %a "$SECRETS"
is 600

step 'new users, 3 and 4: a copy of the example, to edit'
cp -r "$REPOSITORY/examples/kimi-provider" "$HOME/my-moonrelay"
cd "$HOME/my-moonrelay"
sed 's/user = "alice"/user = "another-user"/' flake.nix >edited && mv edited flake.nix
run cat flake.nix
prints 'user = "another-user"' 'primary = "kimi/kimi-for-coding"' 'fallbacks = ["openrouter/auto"]'
cd "$HOME"

step 'testing, 2: home-manager switch'
skip 'needs Nix and home-manager (nix/tests/vm switches a machine; what the module writes is the next step)'

step 'existing users: the block of the provider, as the module writes it'
block nix-kimi
run moonrelay config validate
ok
prints_no warning

step 'testing, 3: the service runs'
# There: systemctl --user status, of a unit. `.ci/run systemd` asks that of a real one; here the gateway itself is asked.
restart
run moonrelay gateway status
ok
prints "$GATEWAY"
run moonrelay gateway status --json
ok
shows '"ok": true'

step 'testing, 3: the configuration says the model'
if has jq; then
  run sh -c "cat '$CONFIGURATION' | jq -c .agents.defaults.model"
  is '{"primary":"kimi/kimi-k2p5","fallbacks":["openrouter/auto"]}'
fi
run moonrelay config get agents.defaults.model
ok
shows '"primary": "kimi/kimi-k2p5"' '"fallbacks": [' '"openrouter/auto"'

step 'key features: window, largest answer, images, thinking'
run moonrelay models list --provider kimi --json
ok
shows '"key": "kimi/kimi-k2p5"' '"input": "text+image"' '"contextWindow": 262144' '"maxTokens": 8192' '"reasoning": true'

step 'the model answers'
run moonrelay agent --message 'who answers?' --json
ok
shows '"ok": true' '"provider": "kimi"' '"fallbackUsed": false' 'who answers?'
asked_of
is 'api.kimi.com POST /coding/v1/messages'

step 'the old id is sent as the one that Kimi Code serves'
if has curl && has jq; then
  sent .model
  is '"kimi-for-coding"'
fi

step 'OpenRouter answers where Kimi does not'
if has curl; then
  curl -sS "$SIMULATOR/_faults" -d '{"provider": "kimi", "kind": "overloaded"}' >/dev/null
  run moonrelay agent --message 'and now?' --json
  curl -sS -X DELETE "$SIMULATOR/_faults" >/dev/null
  ok
  shows '"provider": "openrouter"' '"model": "auto"' '"fallbackUsed": true' '"result": "overloaded"' 'and now?'
fi

step 'a client that is no coding agent is answered by OpenRouter, too'
if has curl; then
  restart
  run curl -sS -i "$GATEWAY/v1/chat/completions" -H 'content-type: application/json' \
    -d '{"model": "default", "messages": [{"role": "user", "content": "hello"}]}'
  ok
  prints 'x-moonrelay-model: openrouter/auto' 'kimi/kimi-k2p5=forbidden_client'
fi

step 'testing, 4: the log says the model, and where it listens'
# There also that a channel started: there are no channels here.
logged
prints 'chain: kimi/kimi-k2p5 → openrouter/auto' "listening on $GATEWAY"

step 'security: no key in the log or the configuration'
prints_no "$KIMI" "$OPENROUTER"
run cat "$CONFIGURATION"
prints "\${KIMI_API_KEY}"
prints_no "$KIMI" "$OPENROUTER"

step 'existing users: the chain by commands'
run moonrelay models set kimi/kimi-k2p5
ok
run moonrelay models fallbacks list
ok
prints openrouter/auto

to_the_end
