# Prometheus and Grafana on the machine of the gateway. All listen on loopback only.
{
  services = {
    prometheus = {
      enable = true;
      listenAddress = "127.0.0.1";
      # Keep enough history for panels of cost per day.
      retentionTime = "90d";
      scrapeConfigs = [
        {
          job_name = "moonrelay";
          static_configs = [{targets = ["127.0.0.1:1969"];}];
        }
      ];
    };

    grafana = {
      enable = true;
      settings = {
        # Grafana encrypts the secrets of data sources with this key. Create it: head -c 32 /dev/urandom | base64
        security.secret_key = "$__file{/var/lib/secrets/grafana}";
        server.http_addr = "127.0.0.1";
      };
      provision = {
        enable = true;
        datasources.settings.datasources = [
          {
            name = "Prometheus";
            type = "prometheus";
            url = "http://127.0.0.1:9090";
            isDefault = true;
          }
        ];
        dashboards.settings.providers = [
          {
            name = "moonrelay";
            options.path = "/etc/grafana-dashboards";
          }
        ];
      };
    };
  };
}
