# The user service of home-manager. tests/systemd/nix runs it, and switches between generations of it with sd-switch.
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
  # A specifier where that is possible: the unit stays the same for another home.
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
    # The state directory, before the first start: where it is missing, systemd takes ~/.config/moonrelay for that of an
    # old version, links to it, and the service could write its own configuration.
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
          # Of the unit only these lines change with the configuration, so that sd-switch reloads.
          X-Reload-Triggers = ["${config.xdg.configFile."moonrelay/config.json5".source}"];
          # Stopping first would let a client that waits at the socket start the old program again.
          X-SwitchMethod = "restart";
        };
        Service =
          unit.service
          // lib.optionalAttrs (cfg.credentials != {}) {
            # A stop while systemd reads credentials leaves its draft of them, and each later start, to which that is in
            # the way, fails with 243/CREDENTIALS (systemd 262, as long as the user's manager runs).
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
            Description = "${unit.description}: its socket";
            Documentation = ["man:moonrelay(1)"];
            # Another address is another socket; sd-switch looks only here.
            X-Restart-Triggers = [unit.listenStream];
            # It takes the service along in one step; stopped first, that would stay down until the next client.
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
