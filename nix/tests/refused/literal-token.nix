{
  good.services.moonrelay.settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
  bad.services.moonrelay.settings.gateway.auth.token = "hunter2";
  says = "services.moonrelay.settings.gateway.auth.token holds a secret in plain text";
}
