# The user service of home-manager. tests/systemd/nix runs it and switches between its generations with sd-switch.
{
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  sandbox = import ./sandbox.nix;
  home = config.home.homeDirectory;
  inherit (config.xdg) configHome;
  # Below the home, a specifier keeps the unit independent of the home's path.
  configDirectory =
    (
      if lib.hasPrefix "${home}/" configHome
      then "%h${lib.removePrefix home configHome}"
      else configHome
    )
    + "/moonrelay";
  unit = import ./unit.nix {
    inherit cfg lib;
    configFile = "${configDirectory}/config.json5";
  };
in {
  config = lib.mkIf (cfg.enable && pkgs.stdenv.hostPlatform.isLinux) {
    # Creates the state directory before the first start. If it is missing, systemd assumes that ~/.config/moonrelay is
    # the state directory of an older version and links to it. The service could then write to its own configuration.
    xdg.stateFile."moonrelay/.keep".text = "";

    systemd.user = {
      services.moonrelay = {
        Unit = {
          Description = unit.description;
          Documentation = ["man:moonrelay(1)"];
          After = unit.after;
          Requires = lib.optional cfg.socketActivation "moonrelay.socket";
          StartLimitBurst = unit.startLimit.burst;
          StartLimitIntervalSec = unit.startLimit.seconds;
          # These are the only lines that change with the configuration, so sd-switch reloads the service.
          X-Reload-Triggers = ["${config.xdg.configFile."moonrelay/config.json5".source}"];
          # With a stop before the switch, a client that waits at the socket would start the old program again.
          X-SwitchMethod = "restart";
        };
        Service =
          unit.service
          // lib.optionalAttrs (cfg.credentials != {}) {
            # A stop while systemd reads credentials leaves a temporary directory. It makes every later start fail with
            # 243/CREDENTIALS for as long as the user's manager runs (systemd 262).
            ExecStopPost = ["-+${lib.getExe' pkgs.coreutils "rm"} -rf %t/systemd/temporary-credentials/%n"];
          }
          // (
            if cfg.sandbox == "strict"
            then sandbox.user configDirectory
            else sandbox.syscalls
          );
        Install.WantedBy = ["default.target"];
      };

      sockets = lib.mkIf cfg.socketActivation {
        moonrelay = {
          Unit = {
            Description = "${unit.description} (socket)";
            Documentation = ["man:moonrelay(1)"];
            # A new address needs a restart of the socket; sd-switch looks only at this setting.
            X-Restart-Triggers = [unit.listenStream];
            # Restarts the service in the same step. With a stop first it would stay down until the next client connects.
            X-SwitchMethod = "restart";
          };
          Socket = {
            ListenStream = unit.listenStream;
            SocketMode = "0600";
          };
          Install.WantedBy = ["sockets.target"];
        };
      };
    };
  };
}
