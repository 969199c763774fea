{
  good.services.moonrelay.settings.gateway.port = 1970;
  bad.services.moonrelay.settings.gateway.port = "1970";
}
