# The launchd agent of home-manager on macOS. Evaluated by the checks; not yet run on such a machine.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  moonrelay = import ../lib;
  inherit (config.lib.file) mkOutOfStoreSymlink;
  home = config.home.homeDirectory;
  inHome = moonrelay.paths.inHome home;
  credentials = "moonrelay/credentials";
  secretFiles = lib.attrValues cfg.credentials ++ cfg.environmentFile;
  links =
    lib.mapAttrs' (name: path: lib.nameValuePair "${credentials}/${name}" {source = mkOutOfStoreSymlink (inHome path);})
    cfg.credentials
    // lib.optionalAttrs (cfg.environmentFile != []) {
      # Where every command looks for NAME=value lines.
      "moonrelay/env".source = mkOutOfStoreSymlink (inHome (lib.head cfg.environmentFile));
    };
in {
  config = lib.mkIf (cfg.enable && pkgs.stdenv.hostPlatform.isDarwin) {
    assertions = [
      {
        assertion = !cfg.socketActivation;
        message = "services.moonrelay.socketActivation: launchd's sockets are not supported; leave it off on macOS.";
      }
      {
        assertion = lib.length cfg.environmentFile <= 1;
        message = "services.moonrelay.environmentFile: macOS takes one file; put all lines into it, or use services.moonrelay.credentials.";
      }
      {
        assertion = lib.all (path: inHome path != null) secretFiles;
        message = "services.moonrelay.credentials and environmentFile: macOS has no %t and no XDG_RUNTIME_DIR; give absolute paths or %h.";
      }
    ];

    # There are no credentials of a service manager: links to the files stand for them, read at start and at SIGHUP.
    xdg.configFile = links;

    launchd.agents.moonrelay = {
      enable = true;
      config = {
        # The store's file: with another one the agent is another, and launchd starts it again.
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
