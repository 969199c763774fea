{
  valid.services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi";
  invalid.services.moonrelay.credentials."KIMI API KEY" = "/run/secrets/kimi";
  message = ''services.moonrelay.credentials."KIMI API KEY"'';
}
