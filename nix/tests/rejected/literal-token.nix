{
  valid.services.moonrelay.settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
  invalid.services.moonrelay.settings.gateway.auth.token = "hunter2";
  message = "services.moonrelay.settings.gateway.auth.token contains a secret in plain text";
}
