# The launchd agent of home-manager on macOS. The checks evaluate it; it has not been run on macOS yet.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  moonrelay = import ../lib {inherit lib;};
  inherit (config.lib.file) mkOutOfStoreSymlink;
  home = config.home.homeDirectory;
  expandHome = moonrelay.paths.expandHome home;
  credentials = "moonrelay/credentials";
  secretFiles = lib.attrValues cfg.credentials ++ cfg.environmentFile;
  links =
    lib.mapAttrs' (name: path: lib.nameValuePair "${credentials}/${name}" {source = mkOutOfStoreSymlink (expandHome path);})
    cfg.credentials
    // lib.optionalAttrs (cfg.environmentFile != []) {
      # Every command reads NAME=value lines from this file.
      "moonrelay/env".source = mkOutOfStoreSymlink (expandHome (lib.head cfg.environmentFile));
    };
in {
  config = lib.mkIf (cfg.enable && pkgs.stdenv.hostPlatform.isDarwin) {
    assertions = [
      {
        assertion = !cfg.socketActivation;
        message = "services.moonrelay.socketActivation: launchd sockets are not supported. Leave it off on macOS.";
      }
      {
        assertion = lib.length cfg.environmentFile <= 1;
        message = "services.moonrelay.environmentFile: only one file is supported on macOS. Put all lines into it, or use services.moonrelay.credentials.";
      }
      {
        assertion = lib.all (path: expandHome path != null) secretFiles;
        message = "services.moonrelay.credentials and environmentFile: macOS has no %t and no XDG_RUNTIME_DIR. Use absolute paths or %h.";
      }
    ];

    # launchd has no credentials. The gateway reads links to the files instead, at the start and on SIGHUP.
    xdg.configFile = links;

    launchd.agents.moonrelay = {
      enable = true;
      config = {
        # The path in the store changes with the configuration, so launchd restarts the agent.
        ProgramArguments =
          [(lib.getExe cfg.package) "gateway" "run" "--config" "${config.xdg.configFile."moonrelay/config.json5".source}"]
          ++ cfg.extraArgs;
        EnvironmentVariables =
          {XDG_CONFIG_HOME = config.xdg.configHome;}
          // lib.optionalAttrs (cfg.credentials != {}) {CREDENTIALS_DIRECTORY = "${config.xdg.configHome}/${credentials}";};
        KeepAlive.SuccessfulExit = false;
        ProcessType = "Background";
        RunAtLoad = true;
        StandardErrorPath = "${home}/Library/Logs/moonrelay.log";
        ThrottleInterval = 10;
        Umask = 63;
      };
    };
  };
}
