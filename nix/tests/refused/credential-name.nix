{
  good.services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi";
  bad.services.moonrelay.credentials."KIMI API KEY" = "/run/secrets/kimi";
  says = ''services.moonrelay.credentials."KIMI API KEY"'';
}
