// Follows the log of a build: asks for what is new until the server says that no more will come.
(function () {
  "use strict";
  var place = document.getElementById("console");
  var start = 0;
  function ask() {
    fetch(place.dataset.url + "?start=" + start, { credentials: "same-origin" }).then(function (answer) {
      if (!answer.ok) { throw new Error(answer.status); }
      var more = answer.headers.get("X-More-Data") === "true";
      start = Number(answer.headers.get("X-Text-Size")) || start;
      return answer.text().then(function (text) {
        var atEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 40;
        place.insertAdjacentHTML("beforeend", text);
        if (more && atEnd) { window.scrollTo(0, document.body.scrollHeight); }
        if (more) {
          setTimeout(ask, 700);
        } else if (place.dataset.building) {
          location.reload();
        }
      });
    }).catch(function () { setTimeout(ask, 3000); });
  }
  ask();
}());
