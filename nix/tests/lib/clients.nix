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
  open = {
    inherit models;
    token = null;
    url = "http://127.0.0.1:1969";
  };
  closed = open // {token = "/run/token";};
in {
  "models are those of the chain, with what the settings know of them" = {
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
  "a chain may be a plain string, or missing" = {
    actual = map (model: (builtins.head (clients.models {agents.defaults = {inherit model;};})).id) ["kimi/k3"] ++ [(builtins.head (clients.models {})).id];
    expected = ["kimi/k3" "default"];
  };
  "without a token clients get a word, where they insist" = {
    actual = [
      (clients.claude-code open).env.ANTHROPIC_AUTH_TOKEN
      ((clients.codex open).model_providers.moonrelay ? env_key)
      (clients.opencode open).provider.moonrelay.options.apiKey
      (clients.sessionVariables null)
    ];
    expected = ["moonrelay" false "moonrelay" {}];
  };
  "with a token they get a reference to it" = {
    actual = [
      (clients.claude-code closed).apiKeyHelper
      ((clients.claude-code closed).env ? ANTHROPIC_AUTH_TOKEN)
      (clients.codex closed).model_providers.moonrelay.env_key
      (clients.opencode closed).provider.moonrelay.options.apiKey
      ((clients.aider closed) ? openai-api-key)
      (clients.crush closed).providers.moonrelay.api_key
      (clients.pi closed).providers.moonrelay.apiKey
    ];
    expected = ["cat \"/run/token\"" false "MOONRELAY_TOKEN" "{env:MOONRELAY_TOKEN}" false "$(cat \"/run/token\")" "!cat \"/run/token\""];
  };
  "the base is with /v1 but for the program that adds it" = {
    actual = [(clients.claude-code open).env.ANTHROPIC_BASE_URL (clients.codex open).model_providers.moonrelay.base_url];
    expected = ["http://127.0.0.1:1969" "http://127.0.0.1:1969/v1"];
  };
}
