# The options that the home-manager and NixOS modules share.
{self}: {
  config,
  lib,
  pkgs,
  ...
}: let
  inherit (lib) literalExpression mkOption types;
  cfg = config.services.moonrelay;
  json = pkgs.formats.json {};

  secretPath = import ./secret-path.nix {inherit lib;};
in {
  options.services.moonrelay = {
    enable = lib.mkEnableOption "Moonrelay, a personal LLM gateway";

    package = lib.mkPackageOption self.packages.${pkgs.stdenv.hostPlatform.system} "moonrelay" {
      pkgsText = "moonrelay.packages.\${system}";
      example = "moonrelay.packages.\${system}.moonrelay-static";
    };

    checkConfig = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether to validate the configuration during the build. An unknown model or a misspelt key then fails the build
        instead of the service. Skipped if the build machine cannot run the program.
      '';
    };

    credentials = mkOption {
      type = types.attrsOf secretPath;
      default = {};
      example = literalExpression ''
        {
          KIMI_API_KEY = config.age.secrets.kimi.path;
          OPENROUTER_API_KEY = "/run/secrets/openrouter";
        }
      '';
      description = ''
        Names of secrets, each with the path of a file that contains only the secret. Refer to a secret as `''${NAME}`
        in {option}`services.moonrelay.settings`. The built-in providers use `KIMI_API_KEY`, `MOONSHOT_API_KEY` and
        `OPENROUTER_API_KEY` without a reference. systemd reads the files when the service starts and, since systemd
        260, when it reloads. If a file is missing, the provider that needs its key is disabled.

        A path must be absolute and outside of the Nix store, or start with `%h` (the home), `%t` or
        `''${XDG_RUNTIME_DIR}` (the runtime directory, which agenix uses).
      '';
    };

    environmentFile = mkOption {
      type = types.coercedTo secretPath lib.singleton (types.listOf secretPath);
      default = [];
      example = "%h/.secrets/moonrelay.env";
      description = ''
        One or more files with `NAME=value` lines for the service's environment. Missing files are ignored. Unlike
        {option}`services.moonrelay.credentials`, the files are read only when the service starts.
      '';
    };

    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [];
      example = ["--port" "1970"];
      description = "Additional arguments for {command}`moonrelay gateway run`. They override the configuration.";
    };

    logLevel = mkOption {
      type = types.enum ["error" "warn" "info" "debug" "trace"];
      default = "info";
      example = "debug";
      description = "The log level. {option}`services.moonrelay.settings.logging.level` overrides it.";
    };

    sandbox = mkOption {
      type = types.enum ["strict" "syscalls"];
      default = "strict";
      example = "syscalls";
      description = ''
        The sandbox of the service. With `strict` the service cannot access homes, other processes or devices, and can
        write only to its state directory. A user service needs user namespaces for this. `syscalls` only filters system
        calls and is for hosts that forbid user namespaces. On such hosts `strict` fails to start: with status 217/USER
        if user namespaces cannot be created, or with 218/CAPABILITIES if they grant no capabilities.
      '';
    };

    settings = mkOption {
      default = {};
      example = literalExpression ''
        {
          agents.defaults.model = {
            primary = "kimi/kimi-for-coding";
            fallbacks = ["openrouter/auto"];
          };
          models.providers.kimi.apiKey = "\''${KIMI_API_KEY}";
        }
      '';
      description = ''
        The configuration, with the keys of the configuration file. It is written as JSON to
        {file}`moonrelay/config.json5`. Write secrets as references (`"\''${NAME}"`); secrets in plain text are rejected.
      '';
      type = types.submodule {
        freeformType = json.type;
        options.gateway = {
          bind = mkOption {
            type = types.str;
            default = "loopback";
            example = "unix:%t/moonrelay.sock";
            description = ''
              The listen address: `loopback`, `all`, an IP address, or `unix:PATH`. An address that other machines can
              reach needs `gateway.auth.token`. A UNIX socket needs {option}`services.moonrelay.socketActivation`.
            '';
          };
          port = mkOption {
            type = types.port;
            default = 1969;
            example = 8080;
            description = "The TCP port.";
          };
        };
      };
    };

    socketActivation = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether systemd opens the listening socket. Clients that connect while the gateway restarts then wait for the new
        process instead of being refused.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.moonrelay.settings.logging.level = lib.mkDefault cfg.logLevel;
  };
}
