# `services.moonrelay.clients`: client programs talk to the gateway, through home-manager's own modules for them.
{
  config,
  lib,
  options,
  ...
}: let
  inherit (lib) mkDefault mkIf types;
  cfg = config.services.moonrelay;
  moonrelay = import ../lib;
  inherit (moonrelay) clients;

  url = moonrelay.address.url cfg.settings.gateway;
  models = clients.models cfg.settings;
  model = (lib.head models).id;
  auth = cfg.settings.gateway.auth or {};
  # As the gateway reads it: a token counts unless the mode says `none`.
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
  given = {
    inherit models token;
    # In its place an assertion speaks.
    url =
      if url == null
      then "http://127.0.0.1"
      else url;
  };

  # By client: home-manager's module for it, the places of a key in that module's settings, and what the client reads
  # there as a reference; the others take every word as it stands.
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
  isOn = name: cfg.enable && cfg.clients.${name}.enable;
  anyOn = lib.any isOn names;
  isKnown = name: options.programs ? ${programs.${name}.module};
  isProgramOn = name: isKnown name && config.programs.${programs.${name}.module}.enable;

  # A definition for a program's module, where home-manager has one.
  program = name: attrs: lib.optionalAttrs (isKnown name) {${programs.${name}.module} = mkIf (isOn name) attrs;};

  judge = name: let
    inherit (programs.${name}) keys module;
    references = programs.${name}.references or null;
    refersTo = value: references != null && builtins.match references value != null;
    held = map (path: {
      inherit path;
      value = lib.attrByPath path null config.programs.${module};
    });
    literals = lib.filter ({value, ...}: value != null && !refersTo value) (held keys);
  in
    [
      {
        assertion = isOn name -> isProgramOn name;
        message =
          if isKnown name
          then ''
            services.moonrelay.clients.${name}.enable is set, but the program is not on:
              programs.${module}.enable = true;''
          else "services.moonrelay.clients.${name}.enable is set, but this home-manager has no programs.${module}: take a newer one.";
      }
    ]
    ++ lib.optionals (isOn name && isProgramOn name && needsToken) (map ({path, ...}: {
        assertion = false;
        message = ''
          programs.${module}.${lib.concatStringsSep "." path} is a token in plain text, and everybody can read the Nix store. Leave it out:
            services.moonrelay.clients.tokenFile tells every client where the token is.'';
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
          The file with the gateway's token, for clients of a gateway that asks for one. Clients read it when they
          start, or get it as a session variable; it is never written anywhere.
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
          then "Whether Kimi Code talks to the gateway, by its session variables."
          else "Whether {option}`programs.${programs.${name}.module}` talks to the gateway. The program's own module must be on.";
      };
    });

  config = {
    assertions = lib.optionals cfg.enable (
      lib.concatMap judge (lib.attrNames programs)
      ++ [
        {
          assertion = anyOn -> url != null;
          message = ''
            services.moonrelay.clients: the gateway has no port that clients know. Give it one:
              services.moonrelay.settings.gateway = { bind = "loopback"; port = 1969; };'';
        }
        {
          assertion = anyOn && needsToken -> cfg.clients.tokenFile != null;
          message = ''
            services.moonrelay.clients: the gateway asks for a token, and clients do not know where it is:
              services.moonrelay.clients.tokenFile = "/run/secrets/moonrelay-token";'';
        }
        {
          # "default" means another thing to the program, and its own names are no models of the gateway.
          assertion = isOn "claude-code" -> cfg.settings ? agents.defaults.model;
          message = ''
            services.moonrelay.clients.claude-code needs the name of a model:
              services.moonrelay.settings.agents.defaults.model = "kimi/kimi-for-coding";'';
        }
      ]
    );

    programs = lib.mkMerge [
      (program "aider" {settings = clients.aider given // {model = mkDefault "openai/${model}";};})
      (program "claude-code" {
        settings = lib.mkMerge [(clients.claude-code given) {env.ANTHROPIC_MODEL = mkDefault model;}];
      })
      (program "codex" {settings = clients.codex given // {model = mkDefault model;};})
      (program "crush" {settings = clients.crush given;})
      (program "opencode" {
        settings =
          clients.opencode given
          // {
            model = mkDefault "moonrelay/${model}";
            small_model = mkDefault "moonrelay/${model}";
          };
      })
      (program "pi" {models = clients.pi given;})
    ];

    home.sessionVariables = lib.mkMerge [
      (mkIf (lib.any isOn ["codex" "opencode"]) (clients.sessionVariables token))
      (mkIf (isOn "aider") (clients.aiderVariables token))
      (mkIf (isOn "kimi-code") (clients.kimi-code given // {KIMI_MODEL_NAME = mkDefault model;}))
    ];
  };
}
