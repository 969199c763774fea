# What each client program must be told to talk to the gateway. `token` is null, or a path for a shell between double
# quotes; where the gateway asks for none, clients still insist on a key, and any word will do.
let
  anyWord = "moonrelay";
  variable = "MOONRELAY_TOKEN";
  read = token: "cat \"${token}\"";
  orWord = token: reference:
    if token == null
    then anyWord
    else reference;
  only = condition: attrs:
    if condition
    then attrs
    else {};
  limit = model: only (model ? contextWindow) {context = model.contextWindow;} // only (model ? maxTokens) {output = model.maxTokens;};
in {
  inherit variable;

  # The session variable that programs without a way to run a command read.
  sessionVariables = token: only (token != null) {${variable} = "$(${read token} 2>/dev/null)";};

  # The models that a client is offered: the chain, and what it is made of.
  models = settings: let
    chain = settings.agents.defaults.model or null;
    isText = builtins.isString chain;
    references =
      if chain == null
      then []
      else if isText
      then [chain]
      else [chain.primary] ++ chain.fallbacks or [];
    describe = reference: let
      parts = builtins.match "([^/]+)/(.+)" reference;
      provider = settings.models.providers.${builtins.head parts} or {};
      rows = builtins.filter (row: row.id or "" == builtins.elemAt parts 1) (provider.models or []);
      row =
        if parts == null || rows == []
        then {}
        else builtins.head rows;
    in
      {
        id = reference;
        name = row.name or reference;
      }
      // only (row ? contextWindow) {inherit (row) contextWindow;}
      // only (row ? maxTokens) {inherit (row) maxTokens;};
    known = map describe references;
  in
    if known == []
    then [
      {
        id = "default";
        name = "Moonrelay's chain";
      }
    ]
    else known;

  claude-code = {
    token,
    url,
    ...
  }:
    {
      env =
        {
          # The program adds /v1 itself.
          ANTHROPIC_BASE_URL = url;
          CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY = "1";
        }
        // only (token == null) {ANTHROPIC_AUTH_TOKEN = anyWord;};
    }
    // only (token != null) {apiKeyHelper = read token;};

  codex = {
    token,
    url,
    ...
  }: {
    model_provider = "moonrelay";
    model_providers.moonrelay =
      {
        name = "Moonrelay";
        base_url = "${url}/v1";
        wire_api = "responses";
      }
      // only (token != null) {env_key = variable;};
  };

  opencode = {
    models,
    token,
    url,
    ...
  }: {
    provider.moonrelay = {
      npm = "@ai-sdk/openai-compatible";
      name = "Moonrelay";
      options = {
        baseURL = "${url}/v1";
        apiKey = orWord token "{env:${variable}}";
      };
      models = builtins.listToAttrs (map (model: {
          name = model.id;
          value = {inherit (model) name;} // only (model ? contextWindow && model ? maxTokens) {limit = limit model;};
        })
        models);
    };
  };

  aider = {
    token,
    url,
    ...
  }:
    {openai-api-base = "${url}/v1";} // only (token == null) {openai-api-key = anyWord;};

  # Its settings file takes keys only in plain text.
  aiderVariables = token: only (token != null) {AIDER_OPENAI_API_KEY = "$(${read token} 2>/dev/null)";};

  crush = {
    models,
    token,
    url,
    ...
  }: {
    providers.moonrelay = {
      name = "Moonrelay";
      type = "openai-compat";
      base_url = "${url}/v1";
      api_key = orWord token "$(${read token})";
      models =
        map (
          model:
            {inherit (model) id name;}
            // only (model ? contextWindow) {context_window = model.contextWindow;}
            // only (model ? maxTokens) {default_max_tokens = model.maxTokens;}
        )
        models;
    };
  };

  pi = {
    models,
    token,
    url,
    ...
  }: {
    providers.moonrelay = {
      baseUrl = "${url}/v1";
      api = "openai-completions";
      apiKey = orWord token "!${read token}";
      inherit models;
    };
  };

  kimi-code = {
    token,
    url,
    ...
  }: {
    KIMI_MODEL_API_KEY = orWord token "$(${read token} 2>/dev/null)";
    KIMI_MODEL_BASE_URL = "${url}/v1";
  };
}
