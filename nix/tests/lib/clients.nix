{clients, ...}: let
  settings = {
    agents.defaults.model = {
      primary = "kimi/kimi-k2p5";
      fallbacks = ["openrouter/auto"];
    };
    models.providers.kimi.models = [
      {
        id = "kimi-k2p5";
        name = "Kimi K2.5";
        contextWindow = 262144;
        maxTokens = 8192;
      }
    ];
  };
  models = clients.models settings;
  withoutToken = {
    inherit models;
    token = null;
    url = "http://127.0.0.1:1969";
  };
  withToken = withoutToken // {token = "/run/token";};
in {
  "models are those of the fallback chain, with their settings" = {
    actual = models;
    expected = [
      {
        id = "kimi/kimi-k2p5";
        name = "Kimi K2.5";
        contextWindow = 262144;
        maxTokens = 8192;
      }
      {
        id = "openrouter/auto";
        name = "openrouter/auto";
      }
    ];
  };
  "a fallback chain can be a string or missing" = {
    actual = map (model: (builtins.head (clients.models {agents.defaults = {inherit model;};})).id) ["kimi/k3"] ++ [(builtins.head (clients.models {})).id];
    expected = ["kimi/k3" "default"];
  };
  "without a token, clients that require a key get a placeholder" = {
    actual = [
      (clients.claude-code withoutToken).env.ANTHROPIC_AUTH_TOKEN
      ((clients.codex withoutToken).model_providers.moonrelay ? env_key)
      (clients.opencode withoutToken).provider.moonrelay.options.apiKey
      (clients.sessionVariables null)
    ];
    expected = ["moonrelay" false "moonrelay" {}];
  };
  "with a token, clients get a reference to it" = {
    actual = [
      (clients.claude-code withToken).apiKeyHelper
      ((clients.claude-code withToken).env ? ANTHROPIC_AUTH_TOKEN)
      (clients.codex withToken).model_providers.moonrelay.env_key
      (clients.opencode withToken).provider.moonrelay.options.apiKey
      ((clients.aider withToken) ? openai-api-key)
      (clients.crush withToken).providers.moonrelay.api_key
      (clients.pi withToken).providers.moonrelay.apiKey
    ];
    expected = ["cat \"/run/token\"" false "MOONRELAY_TOKEN" "{env:MOONRELAY_TOKEN}" false "$(cat \"/run/token\")" "!cat \"/run/token\""];
  };
  "the base URL ends with /v1 except for Claude Code" = {
    actual = [(clients.claude-code withoutToken).env.ANTHROPIC_BASE_URL (clients.codex withoutToken).model_providers.moonrelay.base_url];
    expected = ["http://127.0.0.1:1969" "http://127.0.0.1:1969/v1"];
  };
}
