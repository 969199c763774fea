# The settings that each client program needs to use the gateway. `token` is the path of the token's file for a shell,
# between double quotes; null if the gateway needs no token. Clients require a key even then, and accept any text.
{lib}: let
  inherit (lib) optionalAttrs;
  placeholderKey = "moonrelay";
  tokenVariable = "MOONRELAY_TOKEN";
  readToken = token: "cat \"${token}\"";
  keyOr = token: reference:
    if token == null
    then placeholderKey
    else reference;
in {
  # The session variable for programs that cannot run a command to get the token.
  sessionVariables = token: optionalAttrs (token != null) {${tokenVariable} = "$(${readToken token} 2>/dev/null)";};

  # The models that a client can choose: those of the fallback chain, with their settings.
  models = settings: let
    chain = settings.agents.defaults.model or null;
    references =
      if chain == null
      then []
      else if lib.isString chain
      then [chain]
      else [chain.primary] ++ chain.fallbacks or [];
    describe = reference: let
      parts = builtins.match "([^/]+)/(.+)" reference;
      provider = settings.models.providers.${lib.head parts} or {};
      row =
        if parts == null
        then {}
        else lib.findFirst (row: row.id or "" == lib.last parts) {} (provider.models or []);
    in
      {
        id = reference;
        name = row.name or reference;
      }
      // lib.filterAttrs (name: _: lib.elem name ["contextWindow" "maxTokens"]) row;
  in
    if references == []
    then [
      {
        id = "default";
        name = "Moonrelay's fallback chain";
      }
    ]
    else map describe references;

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
        // optionalAttrs (token == null) {ANTHROPIC_AUTH_TOKEN = placeholderKey;};
    }
    // optionalAttrs (token != null) {apiKeyHelper = readToken token;};

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
      // optionalAttrs (token != null) {env_key = tokenVariable;};
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
        apiKey = keyOr token "{env:${tokenVariable}}";
      };
      models = builtins.listToAttrs (map (model:
        lib.nameValuePair model.id ({inherit (model) name;}
          // optionalAttrs (model ? contextWindow && model ? maxTokens) {
            limit = {
              context = model.contextWindow;
              output = model.maxTokens;
            };
          }))
      models);
    };
  };

  aider = {
    token,
    url,
    ...
  }:
    {openai-api-base = "${url}/v1";} // optionalAttrs (token == null) {openai-api-key = placeholderKey;};

  # aider's settings file takes keys only in plain text.
  aiderVariables = token: optionalAttrs (token != null) {AIDER_OPENAI_API_KEY = "$(${readToken token} 2>/dev/null)";};

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
      api_key = keyOr token "$(${readToken token})";
      models =
        map (
          model:
            {inherit (model) id name;}
            // optionalAttrs (model ? contextWindow) {context_window = model.contextWindow;}
            // optionalAttrs (model ? maxTokens) {default_max_tokens = model.maxTokens;}
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
      apiKey = keyOr token "!${readToken token}";
      inherit models;
    };
  };

  kimi-code = {
    token,
    url,
    ...
  }: {
    KIMI_MODEL_API_KEY = keyOr token "$(${readToken token} 2>/dev/null)";
    KIMI_MODEL_BASE_URL = "${url}/v1";
  };
}
