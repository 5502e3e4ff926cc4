"""Missions: one table of whose notices are read, and of those that are known and refused.

The first row that fits is taken. ``docs/notices.md`` shows the table; a test compares both.

Sources of the facts: GCN's schemas (https://gcn.nasa.gov/docs/schema) for names, units and defaults; the pages of the
missions at https://gcn.gsfc.nasa.gov for notice types, packet numbers and errors.
"""

from __future__ import annotations

from stream.notices.mission import Mission

MISSIONS = (
    Mission(
        "Fermi GBM, targeted search", "Fermi-GBM", "gamma", "SubGRBTargeted",
        schemas=("fermi/gbm/targeted",), topics=("fermi.gbm.targeted",),
        reads="far, classification, p_astro",
        why="Found because a gravitational wave was: its rate is its own FAR (RAVEN's targeted search).",
    ),
    Mission(
        "Fermi GBM, subthreshold", "Fermi-GBM", "gamma", "SubGRB",
        schemas=("fermi/gbm/subthreshold",), topics=("fermi_gbm_subthresh", "fermi.gbm.subthresh"), packets=(131,),
        ivorns=("nasa.gsfc.gcn/Fermi#GBM_SubThresh",), titles=r"fermi.gbm sub-?thresh", classic_containment=0.68,
        reads="far, classification; Trans_Num, HealPix_URL",
        why="Known in the unified schema by its field reliability.",
    ),
    Mission(
        "Fermi GBM", "Fermi-GBM", "gamma", "GRB",
        schemas=("fermi/gbm/",), names=("fermi/gbm",), topics=("fermi_gbm", "fermi.gbm"),
        packets=(110, 111, 112, 115, 116, 117, 119, 146), ivorns=("nasa.gsfc.gcn/Fermi#GBM_",), titles=r"fermi.gbm",
        classic_containment=0.68,
        reads="far, classification (not what it decides)",
        why="Errors are of 1 sigma (68 %); on board with the systematic one, from the ground without. The "
        "event is the trigger number, seconds since 2001, in all forms.",
    ),
    Mission(
        "Swift BAT-GUANO", "Swift-BAT", "gamma", "SubGRBTargeted",
        schemas=("swift/bat/guano",), names=("swift/bat-guano",), topics=("swift.bat.guano",),
        reads="far, classification",
        why="Targeted, as above; its first notice has no place, later ones a map or arc minutes.",
    ),
    Mission(
        "Swift BAT", "Swift-BAT", "gamma", "GRB",
        schemas=("swift/bat/",), names=("swift/bat",), topics=("swift_bat_grb", "swift.bat"),
        packets=(60, 61, 63, 82, 97),
        ivorns=("nasa.gsfc.gcn/SWIFT#BAT_GRB", "nasa.gsfc.gcn/SWIFT#BAT_Quick", "nasa.gsfc.gcn/SWIFT#BAT_Light"),
        titles=r"swift.bat (grb|quicklook)", classic_systematic=False, reads="classification",
        why="3 arc minutes, 90 %, statistical.",
    ),
    Mission(
        "IceCube, LVK follow-up", "IceCube-LVK", "neutrino", "HENTargeted",
        schemas=("icecube/lvk_nu_track_search",), topics=("icecube.lvk_nu_track_search",),
        reads="each of coincident_events: event_dt, localization, id",
        why="Each neutrino is an event of its own, at trigger_time (the gravitational wave's) plus event_dt. They were "
        "looked for around it, so the rate of single alerts says nothing of their chance: a search of its own, which "
        "coincides only where its window and rate are set.",
    ),
    Mission(
        "IceCube", "IceCube", "neutrino", "HEN",
        schemas=("icecube/",), names=("icecube/", "icecube/ic86"), topics=("icecube_", "icecube."),
        packets=(158, 169, 173, 174, 176), ivorns=("nasa.gsfc.gcn/AMON#ICECUBE",),
        titles=r"icecube (astrotrack|cascade|hese|ehe)",
        reads="far, p_astro (signalness); src_error_90",
        why="The event is run_event in all forms. FAR is in Hz in JSON, a year in classic notices.",
    ),
    Mission(
        "KM3NeT", "KM3NeT", "neutrino", "HEN", schemas=("km3net/",), names=("km3net/",), topics=("km3net",),
        reads="far",
        why="The place of the alert, not those of its events.",
    ),
    Mission(
        "Super-Kamiokande", "Super-K", "neutrino", "SNEWS",
        schemas=("superk/",), names=("super-kamiokande/",), topics=("superk", "sk_sn"), packets=(175,),
        ivorns=("nasa.gsfc.gcn/SK_SN", "nasa.gsfc.gcn/SK#"), titles=r"sk_sn|super-?k", classic_containment=0.68,
        reads="trigger_number", why="The event is GCN's number (trigger_number), the same in all forms.",
    ),
    Mission(
        "SNEWS", "SNEWS", "neutrino", "SNEWS", schemas=("snews",), names=("snews/", "snews2/"), topics=("snews",),
        packets=(149,),
        ivorns=("nasa.gsfc.gcn/SNEWS",), titles=r"snews", classic_containment=0.68,
        why="An error of 360 deg says that no place is known.",
    ),
    Mission(
        "Einstein Probe WXT", "EP-WXT", "x-ray", "X-ray", schemas=("einstein_probe/",),
        names=("einstein probe/wxt", "ep/wxt", "/wxt"), topics=("einstein_probe",),
        why="Names no mission. No window of RAVEN's: coincides only where one is set.",
    ),
    Mission(
        "SVOM ECLAIRs", "SVOM-ECLAIRs", "gamma", "GRB", names=("svom/eclairs", "/eclairs"),
        topics=("svom.eclairs", "svom.voevent.eclairs"),
        packets=(202, 204, 205), classic_systematic=True, reads="Burst_Id",
        why="Names no mission. 90 %, with the systematic error.",
    ),
    Mission(
        "SVOM GRM", "SVOM-GRM", "gamma", "GRB", names=("svom/grm", "/grm"), topics=("svom.grm", "svom.voevent.grm"),
        packets=(201,),
        reads="Burst_Id", why="A place of some 10 deg, where there is one.",
    ),
    Mission(
        "MAXI GSC, known source", schemas=("maxi/gsc.known", "maxi/known"), topics=("maxi.gsc.known", "maxi_known"),
        packets=(135,),
        titles=r"maxi known", refused="known_source", why="The flare of a catalogued X-ray source is no merger's.",
    ),
    Mission(
        "MAXI GSC", "MAXI-GSC", "x-ray", "X-ray", schemas=("maxi/",), names=("maxi/gsc", "maxi/"), topics=("maxi",),
        packets=(134, 136),
        titles=r"maxi", reads="rectangular_error_corners",
        why="Circle, ellipse or corners. Coincides only where a window is set.",
    ),
    Mission(
        "Glowbug", "Glowbug", "gamma", "GRB", schemas=("glowbug/",), names=("glowbug/",), topics=("glowbug",),
        reads="far, p_astro, classification", why="No place.",
    ),
    Mission(
        "BurstCube", "BurstCube", "gamma", "GRB", schemas=("burstcube/",), names=("burstcube/",),
        topics=("burstcube",),
        reads="classification",
    ),
    Mission(
        "CHIME/FRB", "CHIME", "radio", "FRB", schemas=("chime/",), names=("chime/", "chime/frb"), topics=("chime",),
        reference_mhz=400.0, reads="trigger_time_inf_freq, dm, known_source",
        why="trigger_time is at 400 MHz, seconds late: what the examples' two times and DM say.",
    ),
    Mission(
        "DSA-110", "DSA-110", "radio", "FRB", schemas=("dsa110/",), names=("dsa-110/", "dsa110/"), topics=("dsa110",),
        reference_mhz=1530.0, reads="dm, known_source", why="Arrival times are at 1530 MHz (ATel 15693).",
    ),
    Mission(
        "BOOM (Rubin, ZTF)", "BOOM", "optical", "Optical", schemas=("boom/",), names=("boom/",), topics=("boom",),
        reads="each of data.targets; classification_scores",
        why="An event is at its first photometry with a magnitude. "
        "Coincides only where a window is set.",
    ),
    Mission(
        "INTEGRAL IBAS", "INTEGRAL", "gamma", "GRB", topics=("integral_",), packets=(53, 54, 55),
        ivorns=("nasa.gsfc.gcn/INTEGRAL#Wakeup", "nasa.gsfc.gcn/INTEGRAL#Refined", "nasa.gsfc.gcn/INTEGRAL#Offline"),
        titles=r"integral (wakeup|refined|offline)",
        why="As RAVEN listens to it.",
    ),
    Mission(
        "AGILE MCAL", "AGILE-MCAL", "gamma", "GRB", topics=("agile_mcal",), packets=(105,),
        ivorns=("nasa.gsfc.gcn/AGILE#MCAL",), titles=r"agile.mcal", why="As RAVEN listens to it.",
    ),
    Mission(
        "Fermi LAT flare", schemas=("fermi/lat/flare",), names=("fermi/lat",), topics=("fermi.lat", "fermi_lat"),
        packets=(123, 125), titles=r"fermi.lat", refused="not_a_transient",
        why="A day's flux of an active galaxy: nothing that happened at a time.",
    ),
    Mission(
        "HEASARC archive", schemas=("heasarc/",), names=("heasarc/",), topics=("heasarc",), refused="not_a_transient",
        why="Data of an observation have been archived.",
    ),
    Mission(
        "Swift, follow-up", packets=(65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 89),
        ivorns=(
            "nasa.gsfc.gcn/SWIFT#XRT", "nasa.gsfc.gcn/SWIFT#UVOT", "nasa.gsfc.gcn/SWIFT#FOM", "nasa.gsfc.gcn/SWIFT#SC_",
        ),
        titles=r"swift.(xrt|uvot|fom|sc)", refused="follow_up", why="Its time is that of the look afterwards.",
    ),
    Mission(
        "SVOM, follow-up", topics=("svom.voevent.mxt", "svom.voevent.vt"), packets=(209, 210, 211),
        refused="follow_up",
        why="Its time is that of the look afterwards.",
    ),
    Mission(
        "SVOM, known source", packets=(203,), refused="known_source",
        why="A flare of a source of the catalogue on board.",
    ),
    Mission(
        "Swift BAT, other", packets=(84, 98, 133, 140, 141),
        ivorns=("nasa.gsfc.gcn/SWIFT#BAT_",), titles=r"swift.bat", refused="not_a_transient",
        why="Known sources, monitors, and excesses below the threshold without a rate.",
    ),
    Mission(
        "LVK", schemas=("lvk/",), names=("lvk/",), topics=("gwalert", "lvc_", "notices.lvk"),
        packets=(150, 151, 152, 153, 154, 163, 164),
        ivorns=("nasa.gsfc.gcn/LVC", "gwnet/"), titles=r"gcn/lvc|lvc ", refused="gravitational_wave",
        why="Gravitational waves are no other messenger.",
    ),
)  # fmt: skip
