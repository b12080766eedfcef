/* For the page and for its worker alike. */
"use strict";

/* Lower case in which every letter stays where it was. */
const lower = text => text.replaceAll("\u0130", "i").toLowerCase();
