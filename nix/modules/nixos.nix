# `services.moonrelay` for a machine: a system service under a user of its own.
{self}: {
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  inherit (cfg.settings) gateway;
  source = import ./config-file.nix {inherit cfg lib pkgs;};
  unit = import ./unit.nix {
    inherit cfg lib;
    configFile = "/etc/moonrelay/config.json5";
  };
  sandbox = import ./sandbox.nix;
in {
  imports = [(lib.modules.importApply ./options.nix {inherit self;})];

  options.services.moonrelay.openFirewall = lib.mkOption {
    type = lib.types.bool;
    default = false;
    example = true;
    description = "Whether other machines may reach the port. The gateway then needs `gateway.auth.token`, and `gateway.bind`.";
  };

  config = lib.mkIf cfg.enable {
    assertions =
      import ./assertions.nix {
        inherit cfg lib;
        hidden = ["/home" "/root" "/run/user"];
      }
      ++ [
        {
          assertion = cfg.openFirewall -> !(import ../lib).address.isPrivate gateway.bind;
          message = ''
            services.moonrelay.openFirewall is set, but the gateway listens only for this machine:
              services.moonrelay.settings.gateway.bind = "all";'';
        }
      ];

    environment = {
      etc."moonrelay/config.json5".source = source;
      systemPackages = [cfg.package];
    };

    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [gateway.port];

    # A switch reloads the service; the gateway need not watch the file too.
    services.moonrelay.settings.gateway.reload = lib.mkDefault false;

    systemd = {
      services.moonrelay = {
        inherit (unit) description;
        after = ["network-online.target"] ++ unit.after;
        requires = lib.optional cfg.socketActivation "moonrelay.socket";
        wants = ["network-online.target"];
        wantedBy = ["multi-user.target"];
        documentation = ["man:moonrelay(1)"];
        reloadTriggers = [source];
        startLimitBurst = unit.startLimit.burst;
        startLimitIntervalSec = unit.startLimit.seconds;
        # Restart in one step, so that a client that waits at the socket does not start the old program again.
        stopIfChanged = false;
        serviceConfig =
          unit.service
          // {DynamicUser = true;}
          // (
            if cfg.sandbox == "strict"
            then sandbox.system
            else sandbox.syscalls
          );
      };

      # A switch to another address does not restart the socket: `systemctl restart moonrelay.socket` does.
      sockets = lib.mkIf cfg.socketActivation {
        moonrelay = {
          description = "${unit.description}: its socket";
          documentation = ["man:moonrelay(1)"];
          wantedBy = ["sockets.target"];
          socketConfig = {
            ListenStream = unit.listenStream;
            # A reverse proxy under another user may connect to a UNIX socket.
            SocketMode = "0666";
          };
        };
      };
    };
  };
}
