# The user service of home-manager. What it says was tried with systemd 262 and sd-switch 0.6.4.
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
