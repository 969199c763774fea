{
  system,
  upstream,
  ...
}: {
  inherit upstream;

  gateway = system {
    networking.firewall.allowedTCPPorts = [80];
    services = {
      moonrelay = {
        credentials.LAPTOP_TOKEN = "/var/lib/keys/token";
        settings.gateway = {
          auth.tokens.laptop = "\${LAPTOP_TOKEN}";
          bind = "unix:/run/moonrelay.sock";
        };
        socketActivation = true;
      };
      nginx = {
        enable = true;
        virtualHosts.gateway.locations."/" = {
          proxyPass = "http://unix:/run/moonrelay.sock";
          extraConfig = ''
            proxy_buffering off;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
          '';
        };
      };
    };
  };

  laptop = {pkgs, ...}: {environment.systemPackages = [pkgs.curl];};
}
