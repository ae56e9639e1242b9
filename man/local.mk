dist_man_MANS += \
	man/pprofd.conf.5 \
	man/pprofd-formats.7 \
	man/pprofd-collector.8 \
	man/pprofd-fcgi.8 \
	man/pprofd-symbolizer.8
