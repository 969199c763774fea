{
  good.services.moonrelay.settings.env = {};
  bad.services.moonrelay.settings.env.KIMI_API_KEY = "hunter2";
  says = "services.moonrelay.settings.env.KIMI_API_KEY holds a secret in plain text";
}
