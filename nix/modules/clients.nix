# `services.moonrelay.clients`: configures client programs for the gateway, through home-manager's modules for them.
{
  config,
  lib,
  options,
  ...
}: let
  inherit (lib) mkDefault mkIf types;
  cfg = config.services.moonrelay;
  moonrelay = import ../lib {inherit lib;};
  inherit (moonrelay) clients;

  url = moonrelay.address.url cfg.settings.gateway;
  models = clients.models cfg.settings;
  model = (lib.head models).id;
  auth = cfg.settings.gateway.auth or {};
  # The gateway's rule: a configured token is required unless the mode is `none`.
  needsToken =
    auth.mode
    or (
      if auth ? token || auth ? tokens
      then "token"
      else "none"
    )
    == "token";
  token =
    if cfg.clients.tokenFile == null
    then null
    else moonrelay.paths.forShell cfg.clients.tokenFile;
  clientArgs = {
    inherit models token;
    # Without a URL an assertion fails.
    url =
      if url == null
      then "http://127.0.0.1"
      else url;
  };

  # For each client: home-manager's module, the settings of that module that can hold a key, and a pattern for values that
  # the client resolves as references. Clients without a pattern use every value literally.
  programs = {
    aider = {
      module = "aider-chat";
      keys = [["settings" "openai-api-key"]];
    };
    claude-code = {
      module = "claude-code";
      keys = [["settings" "env" "ANTHROPIC_AUTH_TOKEN"] ["settings" "env" "ANTHROPIC_API_KEY"]];
    };
    codex = {
      module = "codex";
      keys = [["settings" "model_providers" "moonrelay" "experimental_bearer_token"]];
    };
    crush = {
      module = "crush";
      keys = [["settings" "providers" "moonrelay" "api_key"]];
      references = "[$].*";
    };
    opencode = {
      module = "opencode";
      keys = [["settings" "provider" "moonrelay" "options" "apiKey"]];
      references = "[{](env|file):.*";
    };
    pi = {
      module = "pi-coding-agent";
      keys = [["models" "providers" "moonrelay" "apiKey"]];
      references = "[$!].*";
    };
  };
  names = lib.attrNames programs ++ ["kimi-code"];
  isEnabled = name: cfg.enable && cfg.clients.${name}.enable;
  anyEnabled = lib.any isEnabled names;
  hasModule = name: options.programs ? ${programs.${name}.module};
  isProgramEnabled = name: hasModule name && config.programs.${programs.${name}.module}.enable;

  # The definition for a program's module, if home-manager has that module.
  program = name: attrs: lib.optionalAttrs (hasModule name) {${programs.${name}.module} = mkIf (isEnabled name) attrs;};

  assertionsFor = name: let
    inherit (programs.${name}) keys module;
    references = programs.${name}.references or null;
    isReference = value: references != null && builtins.match references value != null;
    values = map (path: {
      inherit path;
      value = lib.attrByPath path null config.programs.${module};
    });
    literals = lib.filter ({value, ...}: value != null && !isReference value) (values keys);
  in
    [
      {
        assertion = isEnabled name -> isProgramEnabled name;
        message =
          if hasModule name
          then ''
            services.moonrelay.clients.${name}.enable is set, but the program is not enabled:
              programs.${module}.enable = true;''
          else "services.moonrelay.clients.${name}.enable is set, but this version of home-manager has no programs.${module}. Update home-manager.";
      }
    ]
    ++ lib.optionals (isEnabled name && isProgramEnabled name && needsToken) (map ({path, ...}: {
        assertion = false;
        message = ''
          programs.${module}.${lib.concatStringsSep "." path} is a token in plain text, and every user of this machine can read the Nix store. Remove it: services.moonrelay.clients.tokenFile sets the token for every client.'';
      })
      literals);
in {
  options.services.moonrelay.clients =
    {
      tokenFile = lib.mkOption {
        type = types.nullOr (import ./secret-path.nix {inherit lib;});
        default = null;
        example = "%t/agenix/moonrelay-token";
        description = ''
          The file with the gateway's token. Needed if the gateway requires a token. Clients read the file when they start
          or get the token as a session variable. The token is not written to any other file.
        '';
      };
    }
    // lib.genAttrs names (name: {
      enable = lib.mkOption {
        type = types.bool;
        default = false;
        example = true;
        description =
          if name == "kimi-code"
          then "Whether to configure Kimi Code for the gateway, with session variables."
          else "Whether to configure {option}`programs.${programs.${name}.module}` for the gateway. That module must be enabled.";
      };
    });

  config = {
    assertions = lib.optionals cfg.enable (
      lib.concatMap assertionsFor (lib.attrNames programs)
      ++ [
        {
          assertion = anyEnabled -> url != null;
          message = ''
            services.moonrelay.clients: the gateway has no address that clients can use. Set a fixed port:
              services.moonrelay.settings.gateway = { bind = "loopback"; port = 1969; };'';
        }
        {
          assertion = anyEnabled && needsToken -> cfg.clients.tokenFile != null;
          message = ''
            services.moonrelay.clients: the gateway requires a token, but no token file is set:
              services.moonrelay.clients.tokenFile = "/run/secrets/moonrelay-token";'';
        }
        {
          # The model name "default" has another meaning in Claude Code, and its own model names do not exist in the gateway.
          assertion = isEnabled "claude-code" -> cfg.settings ? agents.defaults.model;
          message = ''
            services.moonrelay.clients.claude-code requires a default model:
              services.moonrelay.settings.agents.defaults.model = "kimi/kimi-for-coding";'';
        }
      ]
    );

    programs = lib.mkMerge [
      (program "aider" {settings = clients.aider clientArgs // {model = mkDefault "openai/${model}";};})
      (program "claude-code" {
        settings = lib.mkMerge [(clients.claude-code clientArgs) {env.ANTHROPIC_MODEL = mkDefault model;}];
      })
      (program "codex" {settings = clients.codex clientArgs // {model = mkDefault model;};})
      (program "crush" {settings = clients.crush clientArgs;})
      (program "opencode" {
        settings =
          clients.opencode clientArgs
          // {
            model = mkDefault "moonrelay/${model}";
            small_model = mkDefault "moonrelay/${model}";
          };
      })
      (program "pi" {models = clients.pi clientArgs;})
    ];

    home.sessionVariables = lib.mkMerge [
      (mkIf (lib.any isEnabled ["codex" "opencode"]) (clients.sessionVariables token))
      (mkIf (isEnabled "aider") (clients.aiderVariables token))
      (mkIf (isEnabled "kimi-code") (clients.kimi-code clientArgs // {KIMI_MODEL_NAME = mkDefault model;}))
    ];
  };
}
