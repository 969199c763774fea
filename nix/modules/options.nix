# The options that home-manager and NixOS share; no configuration.
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
        Whether the packaged program checks the configuration while it is built, so that an unknown model or a
        misspelt key stops the build and not the service. Skipped where the building machine cannot run the program.
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
        Secrets by name, each the path of a file that holds nothing else. `''${NAME}` in
        {option}`services.moonrelay.settings` finds them, and so do the built-in providers:
        `KIMI_API_KEY`, `MOONSHOT_API_KEY`, `OPENROUTER_API_KEY`. systemd reads the files when the service starts and
        when it reloads (systemd 260); a file that is missing is a missing key, and its provider is off.

        A path is absolute and outside of the Nix store, or starts with `%h` (the home), `%t` or
        `''${XDG_RUNTIME_DIR}` (the runtime directory, which agenix uses).
      '';
    };

    environmentFile = mkOption {
      type = types.coercedTo secretPath lib.singleton (types.listOf secretPath);
      default = [];
      example = "%h/.secrets/moonrelay.env";
      description = ''
        A file, or several, of `NAME=value` lines for the service's environment. A missing file counts as empty. Unlike
        {option}`services.moonrelay.credentials` they are read only when the service starts.
      '';
    };

    extraArgs = mkOption {
      type = types.listOf types.str;
      default = [];
      example = ["--port" "1970"];
      description = "Arguments added to {command}`moonrelay gateway run`. They win over the configuration.";
    };

    logLevel = mkOption {
      type = types.enum ["error" "warn" "info" "debug" "trace"];
      default = "info";
      example = "debug";
      description = "How much is logged. {option}`services.moonrelay.settings.logging.level` wins over it.";
    };

    sandbox = mkOption {
      type = types.enum ["strict" "syscalls"];
      default = "strict";
      example = "syscalls";
      description = ''
        How the service is confined. `strict` needs user namespaces for a user's service: it sees no home, no other
        process and no device, and writes only to its state directory. `syscalls` is for hosts that forbid user
        namespaces: it filters system calls only. The start of `strict` fails there, with status 217/USER where none can be
        made, and 218/CAPABILITIES where one can and gives no rights.
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
        The configuration, as the reference of the configuration file has it. It becomes JSON in
        {file}`moonrelay/config.json5`. Secrets are references (`"\''${NAME}"`); a literal one is refused.
      '';
      type = types.submodule {
        freeformType = json.type;
        options.gateway = {
          bind = mkOption {
            type = types.str;
            default = "loopback";
            example = "unix:%t/moonrelay.sock";
            description = ''
              Where to listen: `loopback`, `all`, an IP address, or `unix:PATH`. What others can reach needs
              `gateway.auth.token`; a UNIX socket needs {option}`services.moonrelay.socketActivation`.
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
        Whether systemd holds the socket, so that no client is refused while the gateway restarts: whoever connects in
        between waits for the next process.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    services.moonrelay.settings.logging.level = lib.mkDefault cfg.logLevel;
  };
}
