# The gateway on a UNIX socket, behind nginx with TLS, with a token for each client.
{
  networking.firewall.allowedTCPPorts = [443];

  security.acme = {
    acceptTerms = true;
    defaults.email = "admin@example.com";
  };

  services.moonrelay = {
    enable = true;
    # systemd opens the socket: no connection is refused during a restart, and no port is open.
    socketActivation = true;

    credentials = {
      KIMI_API_KEY = "/var/lib/secrets/kimi";
      LAPTOP_TOKEN = "/var/lib/secrets/laptop-token";
      OPENROUTER_API_KEY = "/var/lib/secrets/openrouter";
    };

    settings = {
      agents.defaults.model = {
        primary = "kimi/kimi-for-coding";
        fallbacks = ["openrouter/auto"];
      };
      gateway = {
        auth = {
          mode = "token";
          tokens.laptop = "\${LAPTOP_TOKEN}";
        };
        bind = "unix:/run/moonrelay.sock";
      };
    };
  };

  services.nginx = {
    enable = true;
    virtualHosts."relay.example.com" = {
      enableACME = true;
      forceSSL = true;
      locations."/" = {
        proxyPass = "http://unix:/run/moonrelay.sock";
        extraConfig = ''
          # Forward streams without delay. A model can think for minutes before it responds.
          proxy_buffering off;
          proxy_http_version 1.1;
          proxy_read_timeout 600s;
          # Coding agents send the whole conversation with every request.
          client_max_body_size 64m;
          proxy_set_header Connection "";
        '';
      };
    };
  };
}
