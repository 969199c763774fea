{
  good.services.moonrelay.settings = {};
  bad.services.moonrelay.setings = {};
}
