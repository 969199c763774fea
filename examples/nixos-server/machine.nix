# The gateway on a UNIX socket, nginx with TLS before it, a token for each client.
{
  networking.firewall.allowedTCPPorts = [443];

  security.acme = {
    acceptTerms = true;
    defaults.email = "admin@example.com";
  };

  services.moonrelay = {
    enable = true;
    # systemd holds the socket: nothing is refused while the gateway restarts, and no port is open.
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
          # Streams go through as they come, and a model may think for minutes.
          proxy_buffering off;
          proxy_http_version 1.1;
          proxy_read_timeout 600s;
          # Coding agents send their whole history.
          client_max_body_size 64m;
          proxy_set_header Connection "";
        '';
      };
    };
  };
}
