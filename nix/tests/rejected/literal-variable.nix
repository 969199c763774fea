{
  valid.services.moonrelay.settings.env = {};
  invalid.services.moonrelay.settings.env.KIMI_API_KEY = "hunter2";
  message = "services.moonrelay.settings.env.KIMI_API_KEY contains a secret in plain text";
}
