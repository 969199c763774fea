# Prometheus and Grafana beside the gateway, all of them on loopback.
{
  services = {
    prometheus = {
      enable = true;
      listenAddress = "127.0.0.1";
      # Cost per day wants some days.
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
        # What Grafana keeps of data sources it encrypts with this. Make it with: head -c 32 /dev/urandom | base64
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
