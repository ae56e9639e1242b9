dist_man_MANS += man/pprofd-formats.7
