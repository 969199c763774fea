{
  good.services.moonrelay.settings.logging.level = "warn";
  bad.services.moonrelay.settings.logging.level = level: level;
}
